"""Dify and its chatbot."""

dify = {
    # One pinned release. A running installation of another one is reported and left alone.
    "version": "1.16.1",
    "repository": "https://github.com/langgenius/dify.git",
    # In the Linux file system: PostgreSQL breaks on a Windows drive (/mnt/c).
    "folder": "/opt/dify",
    # Ports that Dify's nginx publishes. 80 is taken on many Windows machines.
    "port": 81,
    "ssl_port": 443,
    # What people type, and what Dify makes links with; None is http://<ssh_hostname>:<port>.
    # Behind WSL it is the LAN address of Windows: http://192.168.1.117:81
    "public_url": None,
    # In WSL: forward the port from Windows, so that the LAN reaches it.
    "lan_access": True,
    # The first administrator; its password is made on the host, in
    # /etc/dify-vllm-deploy/secrets/admin-password.
    "admin_email": "admin@example.com",
    "admin_name": "Admin",
    "language": "zh-Hans",
    # author/name takes the newest, author/name:version@sha256 exactly one.
    "plugin": "langgenius/openai_api_compatible",
    # Package index for plugins, where PyPI is slow: https://mirrors.aliyun.com/pypi/simple
    "pip_mirror_url": None,
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
        # As in the notes' log; with max_tokens the prompt must still fit max_model_len.
        "temperature": 0.6,
        "top_p": 0.95,
        "max_tokens": 512,
        # Asked at the end of every run; the conversation is deleted again.
        "test_question": "你好，请介绍一下你自己。",
    },
}
