//! Rules of the API server for a Job, as in `pkg/apis/batch/validation` and `pkg/apis/core/validation` of Kubernetes, as
//! far as an attempt could break them.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, PodSpec};

/// What the API server would say, a line each; empty where it takes the Job.
pub(super) fn refusals(job: &Job) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |allowed: bool, what: String| {
        if !allowed {
            found.push(what);
        }
    };
    let name = job.metadata.name.clone().unwrap_or_default();
    let spec = job.spec.clone().unwrap_or_default();
    let pod = spec.template.spec.clone().unwrap_or_default();
    let metadata = [Some(&job.metadata), spec.template.metadata.as_ref()];
    for (key, value) in metadata.into_iter().flatten().flat_map(|metadata| metadata.labels.iter().flatten()) {
        check(is_label_value(value), format!("label {key} is {value}"));
    }
    check(spec.completion_mode.as_deref() == Some("Indexed"), "is not Indexed".into());
    check(spec.completions.is_some() && spec.completions == spec.parallelism, "not all pods run at once".into());
    let last = format!("{name}-{}", spec.completions.unwrap_or(1) - 1);
    check(is_dns_label(&last), format!("the last pod's host name would be {last}"));
    check(spec.pod_replacement_policy.as_deref() == Some("Failed"), "podReplacementPolicy is not Failed".into());
    check(pod.restart_policy.as_deref() == Some("Never"), "restartPolicy is not Never".into());
    check(spec.backoff_limit == Some(0), "backoffLimit is not 0".into());
    check(spec.selector.is_none() && spec.manual_selector.is_none(), "has a selector of its own".into());
    let names: BTreeSet<&String> = pod.containers.iter().map(|container| &container.name).collect();
    for (i, rule) in spec.pod_failure_policy.iter().flat_map(|policy| policy.rules.iter().enumerate()) {
        let patterns = rule.on_pod_conditions.as_deref().unwrap_or_default();
        check(rule.on_exit_codes.is_some() == patterns.is_empty(), format!("rule {i} needs one of its conditions"));
        check(patterns.iter().all(|pattern| pattern.status.is_some()), format!("rule {i} has no status"));
        if let Some(codes) = &rule.on_exit_codes {
            let ordered = codes.values.windows(2).all(|pair| pair[0] < pair[1]);
            check(ordered && !codes.values.is_empty(), format!("rule {i} has values that are not in order"));
            check(!codes.values.contains(&0), format!("rule {i} fails on 0"));
            let known = codes.container_name.as_ref().is_none_or(|name| names.contains(name));
            check(known, format!("rule {i} is about a container that is not there"));
        }
    }
    found.extend(pod_refusals(&pod));
    found
}

fn pod_refusals(pod: &PodSpec) -> Vec<String> {
    let mut found = Vec::new();
    let volumes: Vec<&String> = pod.volumes.iter().flatten().map(|volume| &volume.name).collect();
    if let Some(twice) = twice(&volumes) {
        found.push(format!("volume {twice} is there twice"));
    }
    found.extend(volumes.iter().filter(|name| !is_dns_label(name)).map(|name| format!("volume {name} is no label")));
    for name in pod.subdomain.iter().chain(pod.service_account_name.iter()) {
        if !is_dns_label(name) {
            found.push(format!("{name} is no label"));
        }
    }
    for container in &pod.containers {
        found.extend(container_refusals(container, &volumes));
    }
    found
}

fn container_refusals(container: &Container, volumes: &[&String]) -> Vec<String> {
    let mut found = Vec::new();
    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    for mount in mounts {
        if !volumes.contains(&&mount.name) {
            found.push(format!("mount {} has no volume", mount.name));
        }
        let folder = mount.sub_path.as_deref().unwrap_or_default();
        if folder.starts_with('/') || folder.split('/').any(|part| part == "..") {
            found.push(format!("subPath {folder} leads out of the volume"));
        }
    }
    if let Some(twice) = twice(&mounts.iter().map(|mount| &mount.mount_path).collect::<Vec<_>>()) {
        found.push(format!("{twice} is mounted twice"));
    }
    let variables = container.env.as_deref().unwrap_or_default();
    if let Some(twice) = twice(&variables.iter().map(|variable| &variable.name).collect::<Vec<_>>()) {
        found.push(format!("{twice} is set twice"));
    }
    for variable in variables {
        if variable.value.as_ref().is_some_and(|value| !value.is_empty()) && variable.value_from.is_some() {
            found.push(format!("{} has a value and a source", variable.name));
        }
    }
    for port in container.ports.iter().flatten() {
        if port.name.as_ref().is_some_and(|name| name.len() > 15) || !(1..=65_535).contains(&port.container_port) {
            found.push(format!("port {} is none", port.container_port));
        }
    }
    found
}

fn twice<'a>(names: &[&'a String]) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    names.iter().copied().find(|name| !seen.insert(*name))
}

fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_label_value(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let ends = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63 && text.bytes().all(inner) && ends(text.bytes().next()) && ends(text.bytes().last())
}
