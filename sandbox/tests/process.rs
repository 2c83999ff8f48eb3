//! What a program is as a process, the same under every tier: its file, its exit status, what it leaves
//! behind, whose time it uses.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

mod server;

use std::process::Command;
use std::time::{Duration, Instant};

use real_sandbox_api::Status;
use serde_json::{Value, json};
use server::{PATIENCE, PROGRAM, Server};

async fn under_each_tier(check: impl AsyncFn(&Server, &str)) {
    let mut checked = 0;
    for tier in ["a", "b"] {
        if let Some(server) = Server::under(tier) {
            check(&server, tier).await;
            checked += 1;
        }
    }
    assert!(checked > 0, "no tier works on this machine");
}

fn printing(output: &str) -> Value {
    json!({"kind": "stdin", "stdin": "", "stdout": output})
}

async fn run_code(server: &Server, code: &str) -> Value {
    let request = json!({"code": code, "language": "python", "run_timeout": 20, "fetch_files": ["out", "link/x", "../main.py", ""]});
    let (http, answer) = server.post("/run_code", &request).await;
    assert_eq!(http, 200, "{code}: {answer}");
    answer
}

#[tokio::test]
async fn a_finished_verdict_outlives_whatever_the_program_left_running() {
    under_each_tier(async |server, tier| {
        for children in [2, 12] {
            let program = format!(
                "import os, signal\nfor number in range({children}):\n    if os.fork() == 0:\n        os.setsid()\n        \
                 [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 15)]\n        while True: pass\nprint('done')"
            );
            let request = json!({"tests": [printing("done"), printing("done"), printing("other")]});
            let results = server.results(&program, request).await;
            let statuses: Vec<_> = results.iter().map(|result| result.status).collect();
            assert_eq!(statuses, [Status::Passed, Status::Passed, Status::WrongAnswer], "{tier}: {results:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn cpu_time_is_counted_whoever_uses_it_and_no_priority_hides_it() {
    let burn = "end = time.process_time() + .05\n    while time.process_time() < end: pass\n    os._exit(0)";
    let burning = |before: &str, wait: &str| {
        format!(
            "import ctypes, os, signal, time\n{before}\nfor _ in range(80):\n  if os.fork() == 0:\n    {burn}\n  {wait}\nprint('done')"
        )
    };
    let no_zombies = "from ctypes import *\nclass A(Structure):\n  _fields_ = [('h', c_void_p), ('m', c_ulong * 16), ('f', c_int), ('r', c_void_p)]\na = A(); a.f = 2\nassert CDLL(None).sigaction(17, byref(a), None) == 0";
    under_each_tier(async |server, tier| {
        for program in [
            burning("signal.signal(signal.SIGCHLD, signal.SIG_IGN)", "time.sleep(.03)"),
            burning(no_zombies, "time.sleep(.03)"),
            burning("", "os.wait()"),
            "import os\nos.nice(19)\nwhile True: pass".to_owned(),
            "import os\nos.sched_setaffinity(0, {0})\nwhile True: pass".to_owned(),
            "import os\nfor _ in range(3):\n  if os.fork() == 0:\n    while True: pass\nos.wait()".to_owned(),
        ] {
            let limits = json!({"cpuSeconds": 1, "wallSeconds": 30});
            let results = server.results(&program, json!({"tests": [printing("done")], "limits": limits})).await;
            assert_eq!(results[0].status, Status::TimeLimit, "{tier}: {program}\n{results:?}");
        }
    })
    .await;
}

/// A shell starts what runs in its background so.
#[tokio::test]
async fn signals_that_whoever_started_the_service_ignores_reach_programs() {
    for tier in ["a", "b"] {
        let mut command = Command::new("env");
        command.args(["--ignore-signal=INT,QUIT,TERM,HUP,USR1", PROGRAM]);
        let Ok(server) = Server::start_by(command, &["--tier", tier, "--workers", "1"]) else {
            eprintln!("skipped: tier {tier} is not available here");
            continue;
        };
        let code = "import os, signal\n\
            kept = [name for name in ('SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1')\n\
            \x20       if signal.getsignal(getattr(signal, name)) != signal.SIG_DFL]\n\
            try:\n    os.kill(os.getpid(), signal.SIGINT)\n    print('lost', kept)\n\
            except KeyboardInterrupt:\n    print('interrupted', kept)\n";
        let answer = run_code(&server, code).await;
        assert_eq!(answer["run_result"]["stdout"], "interrupted []\n", "tier {tier}: {answer}");
    }
}

#[tokio::test]
async fn exit_statuses_are_the_interpreter_s() {
    under_each_tier(async |server, tier| {
        for (program, code) in [
            ("import os\nos._exit(0)", 0),
            ("import os\nos._exit(9)", 9),
            ("import os\nos.abort()", -6),
            ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", -15),
            ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", -9),
            ("raise KeyboardInterrupt", -2),
            ("import sys\nsys.exit(256)", 0),
            ("import sys\nsys.exit(-1)", 255),
            ("import sys\nsys.exit(10 ** 30)", 255),
            ("exit(True)", 1),
            ("exit(False)", 0),
            ("exit('why')", 1),
            ("1 / 0", 1),
            ("def f(:", 1),
            ("import sys\nsys.excepthook = lambda *error: sys.exit(9)\n1 / 0", 9),
            (
                "import os, sys\nif os.fork() == 0: sys.exit(5)\nsys.exit(os.waitstatus_to_exitcode(os.wait()[1]) + 1)",
                6,
            ),
            ("import io, sys\nout = io.TextIOWrapper(sys.stdout.detach())\nsys.stdout = out\nprint('again')", 0),
            ("import sys\nsys.stdout.detach()", 120),
            ("import sys\nclass Tee:\n  def write(self, text): return sys.__stdout__.write(text)\n  def flush(self): pass\nsys.stdout = Tee()\nprint(1)", 0),
            ("import sys\nclass Full:\n  def write(self, text): pass\n  def flush(self): raise OSError\nsys.stdout = Full()\nprint(1)", 120),
        ] {
            let answer = run_code(server, program).await;
            assert_eq!(answer["run_result"]["return_code"], code, "{tier}: {program}\n{answer}");
            assert_eq!(answer["status"], if code == 0 { "Success" } else { "Failed" }, "{tier}: {program}");
        }
        let program = "import os\nprint('right', flush=True)\nos._exit(0)\n";
        let results = server.results(program, json!({"tests": [printing("right"), printing("wrong")]})).await;
        assert_eq!((results[0].status, results[1].status), (Status::Passed, Status::WrongAnswer), "{tier}");
        let test = json!({"kind": "call", "entry": "f", "expected": {"returns": {"value": {"t": "none"}}}});
        let results = server.results("import os\ndef f(): os._exit(0)", json!({"tests": [test]})).await;
        assert_eq!(results[0].status, Status::RuntimeError, "{tier}: a call has no answer but what it returns");
    })
    .await;
}

#[tokio::test]
async fn a_program_is_a_file_that_can_be_read_run_again_and_started_in_parts() {
    let again = "import subprocess, sys\nif len(sys.argv) > 1: print('again')\nelse: print(subprocess.run([sys.executable, __file__, 'x'], capture_output=True, text=True).stdout.strip())";
    let spawned = "import multiprocessing, os\ndef work(end): os.write(end, b'spawned')\nif __name__ == '__main__':\n  context = multiprocessing.get_context('fork')\n  r, w = os.pipe()\n  p = context.Process(target=work, args=(w,)); p.start(); p.join()\n  print(os.read(r, 99).decode())";
    let pool = "from concurrent.futures import ProcessPoolExecutor\nimport multiprocessing\ndef work(x): return x + 1\ndef put(queue, lock):\n  with lock: queue.put(7)\nif __name__ == '__main__':\n  with ProcessPoolExecutor(2) as pool: found = list(pool.map(work, range(4)))\n  queue, lock = multiprocessing.Queue(), multiprocessing.Lock()\n  p = multiprocessing.Process(target=put, args=(queue, lock)); p.start()\n  print(found, queue.get()); p.join()";
    under_each_tier(async |server, tier| {
        for (program, output) in [
            ("print(open(__file__).read().count('print'))", "2"),
            ("import sys, os\nprint(open(sys.argv[0]).readline().strip(), os.path.dirname(__file__) == os.getcwd())", "import sys, os True"),
            (again, "again"),
            (spawned, "spawned"),
            (pool, "[1, 2, 3, 4] 7"),
            ("\u{feff}print('mark')", "mark"),
            ("# -*- coding: latin-1 -*-\nprint(len('\u{e9}'))", "2"),
            ("import os\nprint(os.getpid() > 1)", "True"),
            ("import threading, time\nt = [threading.Thread(target=time.sleep, args=(.2,)) for _ in range(32)]\n[x.start() for x in t]\n[x.join() for x in t]\nprint(32)", "32"),
            ("import os, time\nk = []\nfor _ in range(64):\n  p = os.fork()\n  if p == 0: time.sleep(.3); os._exit(0)\n  k.append(p)\nprint(sum(os.waitpid(p, 0)[1] == 0 for p in k))", "64"),
        ] {
            let results = server.results(program, json!({"tests": [printing(output)]})).await;
            assert_eq!(results[0].status, Status::Passed, "{tier}: {program}\n{results:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_function_may_be_called_in_processes_that_are_spawned() {
    let program = "import multiprocessing, os\nfrom concurrent.futures import ProcessPoolExecutor\n\
        def square(x): return x * x\n\
        def squares(n):\n    context = multiprocessing.get_context('spawn')\n    with ProcessPoolExecutor(1, mp_context=context) as pool: return list(pool.map(square, range(n)))\n\
        def left(code):\n    child = os.fork()\n    if child == 0: raise SystemExit(code)\n    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])";
    let call = |entry: &str, returns: &str| json!({"kind": "call", "entry": entry, "args": [{"source": "3"}], "expected": {"returns": {"source": returns}}});
    under_each_tier(async |server, tier| {
        let tests = json!({"tests": [call("squares", "[0, 1, 4]"), call("left", "3")]});
        let results = server.results(program, tests).await;
        assert!(results.iter().all(|result| result.status == Status::Passed), "{tier}: {results:?}");
    })
    .await;
}

#[tokio::test]
async fn a_function_that_lists_its_folder_finds_what_the_set_up_put_there_alone() {
    let program = "import os, subprocess\ndef names(): return sorted(os.listdir('.'))\ndef long(): return subprocess.run(['ls', '-l'], capture_output=True, text=True).stdout\ndef me(): return 'def me' in open(__file__).read()";
    under_each_tier(async |server, tier| {
        let test = |entry: &str, value: serde_json::Value| json!({"kind": "call", "entry": entry, "expected": {"returns": {"value": value}}});
        let tests = [
            test("names", json!({"t": "list", "v": []})),
            test("long", json!({"t": "str", "v": "total 0\n"})),
            test("me", json!({"t": "bool", "v": true})),
        ];
        for result in server.results(program, json!({"tests": tests})).await {
            assert_eq!(result.status, Status::Passed, "{tier}: {result:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn files_are_kept_after_a_failure_and_never_read_through_a_link() {
    under_each_tier(async |server, tier| {
        let answer = run_code(
            server,
            "import os\nopen('out', 'w').write('kept')\nos.symlink('/etc', 'link')\nos.chdir('/')\n1 / 0",
        )
        .await;
        assert_eq!(answer["files"], json!({"out": "a2VwdA=="}), "{tier}: {answer}");
        assert_eq!(answer["run_result"]["return_code"], 1);
        let answer = run_code(
            server,
            "import os\nos.mkdir('d')\nopen('d/x', 'w').write('y')\nos.symlink('d', 'link')\nos.symlink('d/x', 'out')",
        )
        .await;
        assert_eq!(answer["files"], json!({}), "{tier}: {answer}");
    })
    .await;
}

#[tokio::test]
async fn an_endless_program_costs_two_tests_and_a_long_one_is_compiled_once() {
    under_each_tier(async |server, tier| {
        let limits = json!({"cpuSeconds": 0.3, "wallSeconds": 5});
        let tests: Vec<Value> = (0..6).map(|_| printing("x")).collect();
        let results = server.results("while True: pass", json!({"tests": tests, "limits": limits})).await;
        assert!(results.iter().all(|result| result.status == Status::TimeLimit), "{tier}: {results:?}");
        let run = results.iter().filter(|result| result.cpu_ms > 0.0).count();
        assert_eq!(run, 2, "{tier}: {results:?}");

        let long = format!("{}print(input())", "x = [1, 2]\n".repeat(40_000));
        let tests =
            json!([{"kind": "stdin", "stdin": "1", "stdout": "1"}, {"kind": "stdin", "stdin": "2", "stdout": "2"}]);
        let results =
            server.results(&long, json!({"tests": tests, "limits": {"cpuSeconds": 20, "wallSeconds": 60}})).await;
        assert!(results.iter().all(|result| result.status == Status::Passed), "{tier}: {results:?}");
        let broken = format!("{}def f(:", "x = 1\n".repeat(40_000));
        let results = server.results(&broken, json!({"tests": tests})).await;
        assert!(results.iter().all(|result| result.status == Status::SyntaxError), "{tier}: {results:?}");
    })
    .await;
}

#[tokio::test]
async fn what_is_the_task_s_fault_is_said_with_its_field() {
    let call =
        |args: Value, expected: Value| json!([{"kind": "call", "entry": "f", "args": args, "expected": expected}]);
    let returns = json!({"returns": {"value": {"t": "none"}}});
    under_each_tier(async |server, tier| {
        for (request, field) in [
            (json!({"setup": {"script": "import sys; sys.exit(3)"}, "tests": [printing("")]}), "setup.script"),
            (
                json!({"setup": {"script": "open('x', 'w').write('x' * (40 << 20))"}, "tests": [printing("")]}),
                "setup.script",
            ),
            (
                json!({"setup": {"prelude": "import missing_module"}, "tests": [printing("")]}),
                "setup.prelude: ModuleNotFoundError",
            ),
            (json!({"setup": {"prelude": "import os; os._exit(0)"}, "tests": [printing("")]}), "setup.prelude"),
            (
                json!({"tests": call(json!([{"source": "1"}, {"source": "nowhere"}]), returns.clone())}),
                "args[1]: NameError",
            ),
            (json!({"tests": call(json!([]), json!({"returns": {"source": "1 +"}}))}), "expected: SyntaxError"),
        ] {
            let results = server.results("def f(*a): pass", request.clone()).await;
            assert_eq!(results[0].status, Status::TaskError, "{tier}: {request}\n{results:?}");
            assert!(results[0].detail.starts_with(field), "{tier}: {request}\n{results:?}");
        }
        for (tests, field) in [
            (call(json!([{"value": {"t": "int", "v": "1.5"}}]), returns.clone()), "tests[0].args[0]: int"),
            (call(json!([]), json!({"returns": {"value": {"t": "float", "v": "one"}}})), "tests[0].expected: float"),
            (call(json!([]), json!({"any_of": []})), "tests[0].expected: any_of"),
            (json!([{"kind": "stdin", "stdin": "", "stdout": "", "expected": 1}]), "expected"),
        ] {
            let (http, answer) = server.post("/v1/batch", &json!({"program": "", "tests": tests})).await;
            assert!((400..500).contains(&http), "{tier}: {answer}");
            assert!(answer["error"].as_str().is_some_and(|text| text.contains(field)), "{tier}: {answer}");
        }
        let request = json!({"code": "", "language": "python", "files": {"a": "", "a/b": ""}});
        let (http, answer) = server.post("/run_code", &request).await;
        assert_eq!(http, 422, "{tier}: {answer}");
    })
    .await;
}

#[tokio::test]
async fn neither_sleepers_nor_an_endless_program_hold_a_short_one() {
    let server = Server::start(&["--workers", "1"]).expect("some tier works here");
    let slow =
        json!({"code": "import time\ntime.sleep(60)", "language": "python", "compile_timeout": 1, "run_timeout": 120});
    let sleeper =
        |_| tokio::spawn(reqwest::Client::new().post(format!("{}/run_code", server.address)).json(&slow).send());
    let sleepers: Vec<_> = (0..3).map(sleeper).collect();
    let (_, answer) = server.post("/run_code", &json!({"code": "print(1)", "language": "python"})).await;
    assert_eq!(answer["status"], "Success", "{answer}");
    sleepers.iter().for_each(tokio::task::JoinHandle::abort);
    server.until_status(|status| status["inFlight"] == 0).await;

    let busy = json!({"code": "while True: pass", "language": "python", "compile_timeout": 0, "run_timeout": 30});
    let endless = tokio::spawn(reqwest::Client::new().post(format!("{}/run_code", server.address)).json(&busy).send());
    server.until_status(|status| status["inFlight"] == 1).await;
    let (http, answer) = server.post("/run_code", &json!({"code": "print(1)", "language": "python"})).await;
    assert_eq!((http, &answer["status"]), (200, &json!("Success")), "{answer}");
    assert!(!endless.is_finished(), "it has made room, and is run again");
    endless.abort();
    let (http, _) = server.post("/run_code", &json!({"code": "1", "language": "python", "run_timeout": -1})).await;
    assert_eq!(http, 422, "a limit out of bounds is said, not waited for");
}

#[tokio::test]
async fn numbers_of_processes_begin_anew_with_each_test() {
    // Some containers do not let anybody set them.
    if std::fs::OpenOptions::new().write(true).open("/proc/sys/kernel/ns_last_pid").is_err() {
        eprintln!("skipped: /proc/sys cannot be written to");
        return;
    }
    let Some(server) = Server::under("a") else { return };
    let program = "import os\nfor _ in range(5):\n  if os.fork() == 0: os._exit(0)\n  os.wait()\nprint(os.getpid())";
    let results = server.results(program, json!({"tests": vec![printing("2"); 5]})).await;
    assert!(results.iter().all(|result| result.status == Status::Passed), "{results:?}");
}

#[tokio::test]
async fn nothing_outlives_a_service_that_is_killed() {
    for tier in ["a", "b"] {
        let scratch = tempfile::tempdir().expect("a directory");
        let base = scratch.path().to_str().expect("UTF-8");
        let Ok(mut server) = Server::start(&["--tier", tier, "--workers", "1", "--scratch", base]) else { continue };
        let mark = format!("{}.{}", 80_000 + std::process::id(), u32::from(tier == "a"));
        let program = format!(
            "import subprocess, time\nsubprocess.Popen(['sleep', '{mark}'], start_new_session=True)\ntime.sleep({mark})"
        );
        let request = json!({"code": program, "language": "python", "run_timeout": 500});
        let url = format!("{}/run_code", server.address);
        let running = tokio::spawn(reqwest::Client::new().post(url).json(&request).send());
        let there = || {
            let found = Command::new("grep").args(["-lsaF", &mark]).args(cmdlines()).output().expect("grep");
            !found.stdout.is_empty()
        };
        until(&there).await;
        server.process.kill().expect("SIGKILL");
        server.process.wait().expect("its end");
        until(|| !there()).await;
        running.abort();
    }
}

async fn until(reached: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < end, "it does not come to it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn cmdlines() -> Vec<String> {
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = processes.map(|entry| entry.file_name().to_string_lossy().into_owned());
    numbers
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own)
        .map(|name| format!("/proc/{name}/cmdline"))
        .collect()
}

/// Of a process: how many files it may have open, from `/proc`.
fn open_files(pid: u32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut words = line.split_whitespace().map(|word| word.parse().unwrap_or(u64::MAX));
    Some((words.next()?, words.next()?))
}

/// A process and all below it.
fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(children.split_whitespace().filter_map(|word| word.parse().ok()).flat_map(tree));
    }
    found
}

#[tokio::test]
async fn descriptors_that_tests_send_each_other_do_not_count_against_ours() {
    // The kernel compares what a user has under way with the limit of whoever sends.
    under_each_tier(async |server, tier| {
        let program = "import resource, socket\nleft, right = socket.socketpair()\nleft.setblocking(False)\nsent = 0\n\
            try:\n    while sent < 5000:\n        socket.send_fds(left, [b'x'], [1] * 100)\n        sent += 100\n\
            except OSError: pass\nprint(resource.getrlimit(resource.RLIMIT_NOFILE))";
        let request = json!({"tests": [printing("(256, 256)"), printing("(256, 256)")]});
        let results = server.results(program, request).await;
        assert!(results.iter().all(|result| result.status == Status::Passed), "{tier}: {results:?}");
        let ours = tree(server.process.id());
        assert!(ours.len() > 2, "{tier}: guards and zygotes");
        // What is left of a test may go meanwhile.
        let limits: Vec<(u64, u64)> = ours.into_iter().filter_map(open_files).collect();
        assert!(limits.len() > 2, "{tier}: {limits:?}");
        for (soft, hard) in limits {
            assert!(soft == hard && soft > 1000, "{tier}: {soft} of {hard}");
        }
    })
    .await;
}
