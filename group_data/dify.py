"""Dify and its chatbot."""

dify = {
    # One pinned release. A running installation of another one is reported and left alone.
    "version": "1.16.1",
    "repository": "https://github.com/langgenius/dify.git",
    # In the Linux file system: PostgreSQL breaks on a Windows drive (/mnt/c). A Dify that runs from another
    # folder is gone on with there, unless you name one of your own here.
    "folder": "/opt/dify",
    # Ports that Dify's nginx publishes. 80 is taken on many Windows machines; "auto" takes the first free
    # one of 80, 81, 8081, 8082, … and keeps it. A taken port is refused before anything is touched.
    "port": 81,
    "ssl_port": 443,
    # Publish the daemon's port for debugging plugins, for instance 5003; None does not.
    "plugin_debugging_port": None,
    # What people type, and what Dify makes links with; None is http://<ssh_hostname>:<port>.
    # Behind WSL it is the LAN address of Windows: http://192.168.1.117:81 (no port with "auto": it is added).
    "public_url": None,
    # In WSL: whom Windows lets in. "localsubnet", "any", addresses and networks such as
    # ["192.168.1.0/24", "10.8.0.5"], or None: nobody, nothing is forwarded.
    "lan_access": "localsubnet",
    # On which of Windows' networks. Windows calls an unknown one public: a café's Wi-Fi, and maybe your LAN.
    "lan_profiles": ["private", "domain"],
    # In WSL: run `wsl --shutdown` when its settings were changed; everything in it stops for a minute.
    "allow_wsl_restart": False,
    # The first administrator, as an existing account is spelled (capitals count up to Dify 1.11.2); its
    # password is made on the host, in /etc/dify-vllm-deploy/secrets/admin-password.
    "admin_email": "admin@example.com",
    "admin_name": "Admin",
    "language": "zh-Hans",
    # author/name takes the newest, author/name:version@sha256 exactly one.
    "plugin": "langgenius/openai_api_compatible",
    # A .difypkg file on this computer to install it from, where Dify reaches no marketplace; signed, unless
    # env switches FORCE_VERIFYING_SIGNATURE off. Its Python packages still come from an index.
    "plugin_package": None,
    # Whether Dify upgrades model plugins, and with stable_diffusion those of tools, by itself: "disabled",
    # "fix_only" or "latest". A version newer than the pinned one is left alone.
    "plugin_auto_upgrade": "disabled",
    # Seconds that a plugin's installation may take.
    "plugin_install_timeout": 900,
    # Seconds without a word from the download of its Python packages; Dify's own 120 are too few on a slow
    # line.
    "plugin_silence_timeout": 600,
    # Package index for plugins, where PyPI is slow: https://mirrors.aliyun.com/pypi/simple
    "pip_mirror_url": None,
    # Models that this tool connected and that left the inventory are told; True removes them from Dify.
    "prune": False,
    # A Dify that somebody set up by hand runs on as it is, and what differs from these settings is told; True
    # makes its .env and override follow them, and its containers anew.
    "take_over": False,
    # More variables for Dify's .env; one that is taken out here stays there.
    "env": {},
    # Seconds that the first start may take, images and migrations included.
    "start_timeout": 900,
    "backup": {
        # On the Dify host, one folder a backup, root only: the database and all secrets are in it.
        "folder": "/var/backups/dify-vllm-deploy",
        # So many of the newest stay.
        "keep": 5,
        # A folder on this computer that each backup is copied to; None leaves them on the host.
        "fetch_to": None,
        # Folders mounted from elsewhere, and Docker volumes, that are not packed:
        # ["/data/models", "docker_cache"]. An upgrade that goes back does not bring them back.
        "leave_out": [],
    },
    "bot": {
        # Found again by this name.
        "name": "mofei",
        "description": "问答机器人：Dify + vLLM + Qwen3",
        "icon": "🤖",
        "icon_background": "#FFEAD5",
        # The system prompt, a file.
        "prompt": "templates/bot_prompt.md",
        "opening_statement": "",
        "suggested_questions": [],
        # As in the notes' log.
        "temperature": 0.6,
        "top_p": 0.95,
        # Tokens of an answer: 240 Chinese characters. In 1024 the prompt, this answer and the next must fit.
        "max_tokens": 160,
        # Asked at the end of every run; the conversation is deleted again.
        "test_question": "你好，请介绍一下你自己。",
    },
    "knowledge": {
        # Folders of knowledge/ with .md and .txt files that the bot is to know: ["handbook"]. Each becomes a
        # dataset of this name; needs the embed and the score model.
        "folders": [],
        # Characters of a chunk at most; the models behind the defaults read 512 tokens, and a chunk's
        # character is a token at most.
        "chunk_size": 160,
        # Chunks that are put before the model with a question; they and the answers must fit max_model_len.
        "top_k": 2,
        # Seconds that indexing what changed may take.
        "index_timeout": 900,
    },
    # Pictures for agent apps, from a service with AUTOMATIC1111's API as Dify's containers reach it:
    # {"base_url": "http://192.168.1.20:7860", "model": "v1-5-pruned-emaonly"}, and "plugin" and
    # "plugin_package" like those above; None installs nothing.
    "stable_diffusion": None,
}
