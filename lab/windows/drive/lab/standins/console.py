"""What Windows' console programs say, in the language and code page of the machine."""

from __future__ import annotations

import sys
from typing import BinaryIO

# English and Chinese texts as captured in public bug reports and in scripts that test for them. Inferred: the
# Chinese ones of schtasks, netstat, tasklist, the firewall and the excluded ranges, and the "syntax" texts.
# netsh complains on standard output (programs that look for the text read it there), reg and schtasks on
# standard error.
_TEXTS = {
    "needs elevation": (
        "The requested operation requires elevation (Run as administrator).",
        "请求的操作需要提升(作为管理员运行)。",
    ),
    "no such rule": ("The system cannot find the file specified.", "系统找不到指定的文件。"),
    "netsh syntax": (
        "The syntax supplied for this command is not valid. Check help for the correct syntax.",
        "此命令提供的语法无效。请查看帮助以获取正确的语法信息。",
    ),
    "no such firewall rule": ("No rules match the specified criteria.", "没有与指定标准相匹配的规则。"),
    "rule name": ("Rule Name:", "规则名称:"),
    "ranges title": ("Protocol tcp Port Exclusion Ranges", "协议 tcp 端口排除范围"),
    "ranges heading": ("Start Port    End Port", "开始端口    结束端口"),
    "ranges note": ("* - Administered port exclusions.", "* - 管理的端口排除。"),
    "connections": ("Active Connections", "活动连接"),
    "connections heading": (
        "  Proto  Local Address          Foreign Address        State           PID",
        "  协议   本地地址               外部地址               状态            PID",
    ),
    "netstat syntax": (
        "Displays protocol statistics and current TCP/IP network connections.",
        "显示协议统计信息和当前 TCP/IP 网络连接。",
    ),
    "no services": ("N/A", "暂缺"),
    "tasklist syntax": ("ERROR: Invalid syntax.", "错误: 无效语法。"),
    "rules title": (
        "Listen on ipv4:             Connect to ipv4:",
        "侦听 ipv4:                 连接到 ipv4:",
    ),
    "rules heading": (
        "Address         Port        Address         Port",
        "地址            端口        地址            端口",
    ),
    "no such key": (
        "ERROR: The system was unable to find the specified registry key or value.",
        "错误: 系统找不到指定的注册表项或值。",
    ),
    "reg syntax": ("ERROR: Invalid syntax.", "错误: 无效语法。"),
    "no such task": ("ERROR: The system cannot find the file specified.", "错误: 系统找不到指定的文件。"),
    "task started": (
        'SUCCESS: Attempted to run the scheduled task "{0}".',
        '成功: 尝试运行 "{0}"。',
    ),
    "tasks heading": (
        "TaskName                                 Next Run Time          Status         ",
        "任务名                                   下次运行时间           模式           ",
    ),
    "ready": ("Ready", "就绪"),
    "folder": ("Folder: \\", "文件夹: \\"),
    "no folder of Windows": (
        "UNC paths are not supported.  Defaulting to Windows directory.",
        "UNC 路径不受支持。默认值设为 Windows 目录。",
    ),
    "line too long": ("The command line is too long.", "命令行太长。"),
    "no such path": ("The system cannot find the path specified.", "系统找不到指定的路径。"),
    "no such program": (
        "'{0}' is not recognized as an internal or external command,\noperable program or batch file.",
        "'{0}' 不是内部或外部命令，也不是可运行的程序\n或批处理文件。",
    ),
    "schtasks syntax": ("ERROR: Invalid syntax.", "错误: 无效语法。"),
}


class Console:
    """Standard output and error of a Windows program.

    Args:
        locale: ``zh-CN`` speaks Chinese in code page 936 (GBK), everything else English.
    """

    def __init__(self, locale: str) -> None:
        self._chinese = locale == "zh-CN"

    @property
    def english(self) -> bool:
        """Whether it speaks English."""
        return not self._chinese

    def text(self, name: str, *values: str) -> str:
        """A text of the table above in the machine's language."""
        return _TEXTS[name][self._chinese].format(*values)

    def say(self, *lines: str) -> None:
        """Print lines to standard output."""
        self._write(sys.stdout.buffer, lines)

    def complain(self, *lines: str) -> None:
        """Print lines to standard error."""
        self._write(sys.stderr.buffer, lines)

    def _write(self, stream: BinaryIO, lines: tuple[str, ...]) -> None:
        encoding = "gbk" if self._chinese else "ascii"
        stream.write("".join(f"{line}\r\n" for line in lines).encode(encoding, errors="replace"))
        stream.flush()
