import subprocess
import time

subprocess.Popen(["sleep", "@SLEEP@"], start_new_session=True, stdin=subprocess.DEVNULL)
time.sleep(0.2)
print("held")
