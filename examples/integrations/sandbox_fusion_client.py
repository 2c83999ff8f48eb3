"""SandboxFusion's own client (`pip install sandbox-fusion`) against `real-sandbox serve`, whose address is `SANDBOX_URL`."""

import asyncio
import base64
import os

from sandbox_fusion import RunCodeRequest, RunStatus, run_code, run_code_async, run_concurrent, set_sandbox_endpoint

set_sandbox_endpoint(os.environ["SANDBOX_URL"])


def ask(code, language="python", **named):
    return run_code(RunCodeRequest(code=code, language=language, **named), max_attempts=1)


answer = ask("print(int(input()) * 2)", stdin="21\n")
assert (answer.status, answer.run_result.stdout, answer.run_result.return_code) == (RunStatus.Success, "42\n", 0), answer

# Files go in and come out as base64.
files = {"rows.csv": base64.b64encode(b"a,b\n1,2\n").decode(), "below/empty.txt": ""}
answer = ask("text = open('rows.csv').read()\nopen('out.txt', 'w').write(text.upper())", files=files, fetch_files=["out.txt", "none"])
assert {name: base64.b64decode(content) for name, content in answer.files.items()} == {"out.txt": b"A,B\n1,2\n"}, answer

# What does not compile fails as at an interpreter: no compile step, the error on standard error.
answer = ask("def f(:\n    pass")
assert (answer.status, answer.compile_result, answer.run_result.return_code) == (RunStatus.Failed, None, 1), answer
assert "SyntaxError" in answer.run_result.stderr, answer

answer = ask("while True: pass", run_timeout=0.3)
assert (answer.status, answer.run_result.status.value) == (RunStatus.Failed, "TimeLimitExceeded"), answer

answer = ask("import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)")
assert (answer.run_result.return_code, answer.run_result.stdout, answer.run_result.stderr) == (3, "out\n", "err\n"), answer

answer = ask('read name\necho "hello $name" | tr a-z A-Z\necho late > left.txt\nexit 4', "bash", stdin="you\n", fetch_files=["left.txt"])
assert (answer.run_result.stdout, answer.run_result.return_code) == ("HELLO YOU\n", 4), answer
assert base64.b64decode(answer.files["left.txt"]) == b"late\n", answer
answer = ask("kill -9 $$", "bash")
assert answer.run_result.return_code == -9, answer

answers = run_concurrent(ask, args=[[f"print({number} ** 2)"] for number in range(24)], concurrency=8)
assert [int(answer.run_result.stdout) for answer in answers] == [number**2 for number in range(24)]


async def at_once():
    requests = [RunCodeRequest(code=f"print({number})", language="python") for number in range(8)]
    return await asyncio.gather(*(run_code_async(request) for request in requests))


assert [answer.run_result.stdout for answer in asyncio.run(at_once())] == [f"{number}\n" for number in range(8)]

try:
    ask("fn main() {}", "rust")
except Exception as error:
    cause = getattr(error, "last_attempt", None)
    text = str(cause.exception() if cause else error)
    assert "422" in text and "python" in text, text
else:
    raise SystemExit("a language that there is none of here was accepted")
print("all right")
