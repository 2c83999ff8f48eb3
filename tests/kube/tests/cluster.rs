//! A whole cluster: it comes up, twice is once, and it leaves nothing behind. `make e2e` runs this, and puts it to use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_real-cluster");

fn real_cluster(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(PROGRAM).args(arguments).env("REAL_CLUSTER_DIR", folder).output().expect("it starts");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), said)
}

/// Ends a cluster also where the test fails.
struct Down(PathBuf);

impl Drop for Down {
    fn drop(&mut self) {
        real_cluster(&self.0, &["down"]);
    }
}

/// What the machine knows of a folder: processes, mounts, control groups.
fn traces(folder: &Path) -> Vec<String> {
    let text = folder.to_string_lossy().into_owned();
    let group = format!("real-cluster{}", text.replace('/', "-"));
    let processes = fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| {
        let line = String::from_utf8_lossy(&fs::read(entry.path().join("cmdline")).ok()?).replace('\0', " ");
        line.contains(&text).then_some(line)
    });
    let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
    let groups =
        fs::read_dir("/sys/fs/cgroup").expect("control groups").flatten().map(|entry| entry.path().join(&group));
    let groups = groups.chain([Path::new("/sys/fs/cgroup").join(&group)]).filter(|group| group.exists());
    let folders = folder.exists().then(|| text.clone());
    let found = processes.chain(mounts.lines().filter(|line| line.contains(&text)).map(str::to_owned));
    found.chain(groups.map(|group| group.display().to_string())).chain(folders).collect()
}

#[test]
#[ignore = "needs root, containerd and control groups; `make e2e` runs it"]
fn a_cluster_comes_up_once_and_leaves_nothing() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("cluster");
    let _down = Down(folder.clone());
    let (up, said) = real_cluster(&folder, &["up"]);
    assert!(up && said.contains("export KUBECONFIG="), "{said}");
    let pid = fs::read_to_string(folder.join("pid")).expect("the first process");
    assert!(real_cluster(&folder, &["up"]).0, "up twice");
    assert_eq!(fs::read_to_string(folder.join("pid")).expect("the first process"), pid, "it was started again");

    let (ready, nodes) = real_cluster(&folder, &["kubectl", "get", "nodes"]);
    assert!(ready && nodes.contains("node1") && nodes.contains(" Ready "), "{nodes}");
    assert!(real_cluster(&folder, &["kill", "kube-apiserver"]).0);
    let back = ["kubectl", "get", "nodes", "--output=name"];
    let again = (0..60).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(500));
        real_cluster(&folder, &back).0
    });
    assert!(again, "the API server is not started again");
    let (killed, said) = real_cluster(&folder, &["kill", "nothing"]);
    assert!(!killed && said.contains("no nothing runs"), "{said}");

    assert!(real_cluster(&folder, &["down"]).0);
    assert_eq!(traces(&folder), Vec::<String>::new());
    assert!(real_cluster(&folder, &["down"]).0, "down twice");
    let (ran, said) = real_cluster(&folder, &["kubectl", "get", "nodes"]);
    assert!(!ran && said.contains("no cluster runs"), "{said}");
}

#[test]
#[ignore = "needs root; `make e2e` runs it"]
fn a_folder_that_cannot_be_is_refused_before_anything_is_made() {
    let folder = Path::new("/var/lib/real-cluster-test");
    let (up, said) = real_cluster(folder, &["up"]);
    assert!(!up && said.contains("/var/lib/real-cluster-test") && said.contains("REAL_CLUSTER_DIR"), "{said}");
    assert_eq!(traces(folder), Vec::<String>::new());
}
