"""What every model server of a host shares. Each line is the default; change it here or in an inventory."""

serving = {
    # Of a rented box: "gpushare", "autodl", "runpod" or "vast.ai"; its data disk, published port and start
    # hook are then known.
    "provider": None,
    # Without systemd: the shell script that the provider runs whenever the box starts; it is given a line
    # that starts our supervisor. None is the provider's, where one is known.
    "start_hook": None,
    # Models, environments, caches, logs; None is the provider's data disk, or /srv/dify-vllm.
    "data_dir": None,
    # The account that vLLM and its gateway run under; None is root where data_dir lies under /root, and
    # dify-vllm elsewhere.
    "user": None,
    # Pinned packages of vLLM's environment; another file for another build (CPU, ROCm).
    "vllm_requirements": "requirements/vllm-cuda.txt",
    # vLLM before 0.14.1 is refused, unless this names what it is open to: "CVE-2026-22778".
    "allow_vulnerable_vllm": None,
    # Package index instead of PyPI; mirrors are normal in China: https://mirrors.aliyun.com/pypi/simple
    "index_url": None,
    # Folders or pages with wheels, for builds that no index has.
    "find_links": [],
    # uv's cache; by default on the data disk.
    "package_cache": None,
    # How uv brings packages into an environment: copy, hardlink or symlink; None leaves it to uv.
    "link_mode": None,
    # Model hub instead of https://www.modelscope.cn.
    "hub_endpoint": None,
    # Files that are downloaded at the same time.
    "download_workers": 4,
    # Seconds without a byte after which a download is given up; the next run goes on from there.
    "stall_timeout": 60,
    # Compare the hashes of complete models too; what was tampered with is fetched anew.
    "verify_models": False,
    # Seconds that a model may take from start to its first answer.
    "start_timeout": 900,
    # What a gateway lets through of who has its key: what is over it waits up to a second, then gets a 429.
    # Far above what Dify asks while it indexes documents; one that is tried out by many may want less.
    "requests_per_second": 200,
    "requests_at_once": 256,
}
