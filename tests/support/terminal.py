"""Run a command on a terminal of its own and answer what it asks.

Standard input is JSON: {"command": [...], "cwd": "...", "env": {...}, "columns": 80, "dialog": [["asked", "answer"], ...]}.
Each answer is typed once its question has been printed. Prints {"code": 0, "screen": "..."}.
"""

import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios
import time

PATIENCE = 60  # seconds without a byte: the command hangs


def main():
    ask = json.load(sys.stdin)
    child, terminal = pty.fork()
    if child == 0:
        # Before the command looks: it would find a terminal without a size.
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, ask["columns"], 0, 0))
        os.chdir(ask["cwd"])
        os.execve(ask["command"][0], ask["command"], ask["env"])
    screen = b""
    seen = 0
    dialog = [(question.encode(), answer.encode()) for question, answer in ask["dialog"]]
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if dialog:
            at = screen.find(dialog[0][0], seen)
            if at >= 0:
                question, answer = dialog.pop(0)
                seen = at + len(question)
                os.write(terminal, answer + b"\n")
        ready, _, _ = select.select([terminal], [], [], 0.05)
        if not ready:
            continue
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the command has closed its side
            break
        if not piece:
            break
        screen += piece
        until = time.monotonic() + PATIENCE
    else:
        os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    json.dump({"code": code, "screen": screen.decode(errors="replace"), "unasked": len(dialog)}, sys.stdout)


main()
