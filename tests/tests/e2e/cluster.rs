//! The cluster under test, as kubectl sees it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use real_test_kube::cluster::{self, default_folder};
use real_test_kube::{Output, programs};
use serde_json::Value;

/// Between two looks at the same thing.
const PAUSE: Duration = Duration::from_millis(500);

/// A cluster that runs.
pub(crate) struct Cluster {
    kubeconfig: PathBuf,
    /// Present where the node is this machine's, so that its processes can be killed and its volumes made.
    pub(crate) own: Option<cluster::Cluster>,
    pub(crate) operator: OnceLock<()>,
}

impl Cluster {
    /// `REAL_E2E_KUBECONFIG`, or the one that `make e2e` started.
    pub(crate) fn given() -> Option<Self> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(kubeconfig) = variable("REAL_E2E_KUBECONFIG") {
            return Some(Self { kubeconfig: kubeconfig.into(), own: None, operator: OnceLock::new() });
        }
        variable("REAL_E2E")?;
        let folder = default_folder().expect("the cluster's folder");
        let own = cluster::Cluster::running(&folder).expect("a cluster").expect("REAL_E2E is set, but no cluster runs");
        Some(Self { kubeconfig: folder.kubeconfig(), own: Some(own), operator: OnceLock::new() })
    }

    /// A program of a user who stands at the root of the repository, ready to start.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let path = programs::folder().expect("kubectl and helm").join(program);
        let mut command = Command::new(path);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).current_dir(root);
        command
    }

    fn run(&self, program: &str, arguments: &[&str], stdin: Option<&str>) -> Output {
        Output::of(self.command(program, arguments), stdin)
    }

    /// A command of helm, shown with what it said.
    pub(crate) fn helm(&self, arguments: &[&str]) {
        print("helm", arguments, &self.run("helm", arguments, None).expect_success());
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Output {
        self.run("kubectl", arguments, None)
    }

    /// Creates a namespace that holds all its pods to Pod Security `restricted`.
    pub(crate) fn namespace(&self, prefix: &str) -> Namespace<'_> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("e2e-{prefix}-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        self.kubectl(&["create", "namespace", &name]).expect_success();
        for mode in ["enforce", "warn"] {
            let label = format!("pod-security.kubernetes.io/{mode}=restricted");
            self.kubectl(&["label", "namespace", &name, &label]).expect_success();
        }
        Namespace { cluster: self, name, temporary: true }
    }

    /// A namespace that is there and stays.
    pub(crate) fn lasting(&self, name: &str) -> Namespace<'_> {
        Namespace { cluster: self, name: name.to_owned(), temporary: false }
    }
}

/// A namespace. That of one scenario is deleted at the end of one that went well; what failed can be looked at.
pub(crate) struct Namespace<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: String,
    temporary: bool,
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if !self.temporary {
            return;
        }
        if std::thread::panicking() {
            let all = self.kubectl(&["get", "rtj,rwp,jobs,pods,events", "--output=wide"]);
            println!("--- namespace {}\n{}{}", self.name, all.stdout, all.stderr);
            let described = self.kubectl(&["describe", "rtj,rwp"]);
            println!("{}", described.stdout);
        } else {
            self.cluster.kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
        }
    }
}

impl Namespace<'_> {
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Output {
        self.cluster.kubectl(&[&["--namespace", self.name.as_str()], arguments].concat())
    }

    /// A command, shown with what it said, as a user sees it.
    pub(crate) fn show(&self, arguments: &[&str]) -> String {
        let said = self.kubectl(arguments).expect_success();
        print("kubectl", arguments, &said);
        said
    }

    /// Applies an object, or a file's objects.
    pub(crate) fn apply(&self, text: &str) {
        let arguments = ["--namespace", &self.name, "apply", "--filename", "-"];
        self.cluster.run("kubectl", &arguments, Some(text)).expect_success();
    }

    /// Sends an object to a path of the API.
    pub(crate) fn post(&self, path: &str, object: &Value) -> Output {
        let arguments = ["create", "--raw", path, "--filename", "-"];
        self.cluster.run("kubectl", &arguments, Some(&object.to_string()))
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let output = self.kubectl(&["get", kind, name, "--output=json", "--ignore-not-found"]);
        serde_json::from_str(&output.stdout).ok()
    }

    /// The objects of a kind (or of several, `a,b`) with a label; all where the label is empty.
    pub(crate) fn list(&self, kinds: &str, label: &str) -> Vec<Value> {
        let output = self.kubectl(&["get", kinds, "--selector", label, "--output=json"]);
        let list: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// One of the ready pods with a label.
    ///
    /// # Panics
    /// Where there is none.
    #[track_caller]
    pub(crate) fn ready_pod(&self, label: &str) -> Value {
        let ready = self.list("pods", label).into_iter().find(is_ready);
        ready.unwrap_or_else(|| panic!("no pod with {label} is ready"))
    }

    /// The object once it is as wanted.
    ///
    /// # Panics
    /// Where it is not in time, with the object.
    #[track_caller]
    pub(crate) fn until(
        &self,
        kind: &str,
        name: &str,
        seconds: u64,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let end = Instant::now() + Duration::from_secs(seconds);
        loop {
            let found = self.get(kind, name);
            if let Some(object) = found.as_ref().filter(|object| wanted(object)) {
                return object.clone();
            }
            assert!(Instant::now() < end, "{kind}/{name} is not {what} after {seconds} s: {}", status(found.as_ref()));
            std::thread::sleep(PAUSE);
        }
    }

    /// Kills a container without warning: on this machine's node its process, elsewhere its pod.
    pub(crate) fn kill(&self, pod: &Value) {
        let name = name(pod);
        if let Some(own) = &self.cluster.own {
            let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().expect("a container").to_owned();
            let id = id.trim_start_matches("containerd://");
            let output = own.ctr().args(["tasks", "kill", "--signal", "SIGKILL", id]).output().expect("ctr starts");
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        } else {
            self.kubectl(&["delete", "pod", &name, "--grace-period=0", "--force"]).expect_success();
        }
    }
}

/// Prints a command as it is typed, and what it said.
fn print(program: &str, arguments: &[&str], said: &str) {
    let typed = arguments.iter().map(|argument| {
        if argument.contains([' ', '{', '"', '\'']) { format!("'{argument}'") } else { (*argument).to_owned() }
    });
    println!("$ {program} {}\n{said}", typed.collect::<Vec<_>>().join(" "));
}

/// Waits until something holds.
///
/// # Panics
/// Where it does not in time, with what is found instead.
#[track_caller]
pub(crate) fn wait(seconds: u64, what: &str, holds: impl Fn() -> Result<(), String>) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while let Err(found) = holds() {
        assert!(Instant::now() < end, "not {what} after {seconds} s: {found}");
        std::thread::sleep(PAUSE);
    }
}

/// An object's name.
pub(crate) fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

/// The status of one of an object's conditions.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    found.and_then(|condition| condition["status"].as_str()).unwrap_or("Unknown")
}

/// Whether a pod runs and is ready.
pub(crate) fn is_ready(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_null() && condition(pod, "Ready") == "True"
}

fn status(object: Option<&Value>) -> String {
    object.map_or_else(|| "it is not there".to_owned(), |object| object["status"].to_string())
}
