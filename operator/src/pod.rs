//! Pods as the operator makes them: within Pod Security `restricted`, with what a `PodPatch` changes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    self, Capabilities, ConfigMapEnvSource, ConfigMapKeySelector, ConfigMapVolumeSource, Container,
    EmptyDirVolumeSource, EnvFromSource, EnvVar, EnvVarSource, LocalObjectReference, PersistentVolumeClaimVolumeSource,
    PodDNSConfig, PodDNSConfigOption, PodResourceClaim, PodSecurityContext, PodSpec, PodTemplateSpec,
    ResourceRequirements, SeccompProfile, SecretEnvSource, SecretKeySelector, SecretVolumeSource, SecurityContext,
    Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ObjectMeta;
use real_crds::v1alpha1::{self, PodPatch, PodUsers, Resources};

/// User and group of everything that runs in our pods (`nobody`).
pub const USER: i64 = 65_534;

/// Volume at `/tmp`; users' volumes cannot have a name that begins with `real-`.
const TMP: &str = "real-tmp";

/// What a kind of pod is made of before the user's changes.
#[derive(Clone, Debug, Default)]
pub struct PodParts {
    /// Labels; those of the user are added.
    pub labels: BTreeMap<String, String>,
    /// Annotations; those of the user are added.
    pub annotations: BTreeMap<String, String>,
    /// Service account where the user names none; that of the namespace where absent. No pod gets a token.
    pub service_account: Option<String>,
    /// Runs before the containers.
    pub init_containers: Vec<Container>,
    /// The first one gets the user's volumes.
    pub containers: Vec<Container>,
    /// Volumes besides `/tmp` and those of the user.
    pub volumes: Vec<Volume>,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_seconds: i64,
    /// `Never` for the pods of a Job; the default where absent.
    pub restart_policy: Option<String>,
    /// Headless Service that gives the pods their names.
    pub subdomain: Option<String>,
}

/// The template of a pod. Every container may write to `/tmp` and to its own mounts, and to nothing else.
pub fn template(parts: PodParts, patch: Option<&PodPatch>) -> PodTemplateSpec {
    let empty = PodPatch::default();
    let patch = patch.unwrap_or(&empty);
    let mut labels = patch.labels.clone();
    labels.extend(parts.labels);
    let mut annotations = patch.annotations.clone();
    annotations.extend(parts.annotations);
    let mut volumes = parts.volumes;
    volumes.push(Volume { name: TMP.into(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() });
    volumes.extend(patch.volumes.iter().map(volume));
    let mut containers = parts.containers;
    if let Some(main) = containers.first_mut() {
        main.volume_mounts.get_or_insert_default().extend(patch.volumes.iter().map(mount));
        main.env_from = list(patch.env_from.iter().map(env_from));
        if !patch.resource_claims.is_empty() {
            let claims = patch.resource_claims.iter();
            let claims = claims.map(|claim| v1::ResourceClaim { name: claim.name.clone(), request: None });
            main.resources.get_or_insert_default().claims = list(claims);
        }
    }
    let sidecars =
        patch.sidecars.iter().map(|one| Container { restart_policy: Some("Always".to_owned()), ..helper(one, patch) });
    let init_containers = parts.init_containers.into_iter().chain(sidecars);
    let init_containers = init_containers.chain(patch.init_containers.iter().map(|one| helper(one, patch)));
    let users = patch.security_context.clone().unwrap_or_else(|| PodUsers {
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        supplemental_groups: Vec::new(),
    });
    let service_account = patch.service_account_name.clone().or(parts.service_account);
    PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels), annotations: some(annotations), ..ObjectMeta::default() }),
        spec: Some(PodSpec {
            affinity: patch.affinity.clone(),
            automount_service_account_token: Some(false),
            containers: containers.into_iter().map(restricted).collect(),
            enable_service_links: Some(false),
            image_pull_secrets: list(
                patch.image_pull_secrets.iter().map(|secret| LocalObjectReference { name: secret.name.clone() }),
            ),
            dns_config: patch.dns_config.as_ref().map(dns_config),
            dns_policy: patch.dns_policy.map(|policy| format!("{policy:?}")),
            host_network: patch.host_network.then_some(true),
            init_containers: list(init_containers.map(restricted)),
            node_selector: some(patch.node_selector.clone()),
            priority_class_name: patch.priority_class_name.clone(),
            restart_policy: parts.restart_policy,
            runtime_class_name: patch.runtime_class_name.clone(),
            scheduler_name: patch.scheduler_name.clone(),
            security_context: Some(PodSecurityContext {
                fs_group: users.fs_group,
                run_as_group: users.run_as_group,
                run_as_non_root: Some(true),
                run_as_user: users.run_as_user,
                seccomp_profile: Some(runtime_default()),
                supplemental_groups: list(users.supplemental_groups.into_iter()),
                ..PodSecurityContext::default()
            }),
            service_account_name: service_account,
            subdomain: parts.subdomain,
            termination_grace_period_seconds: Some(parts.grace_seconds),
            tolerations: list(patch.tolerations.iter().cloned()),
            resource_claims: list(patch.resource_claims.iter().map(|claim| PodResourceClaim {
                name: claim.name.clone(),
                resource_claim_name: claim.resource_claim_name.clone(),
                resource_claim_template_name: claim.resource_claim_template_name.clone(),
            })),
            topology_spread_constraints: list(patch.topology_spread_constraints.iter().cloned()),
            volumes: Some(volumes),
            ..PodSpec::default()
        }),
    }
}

/// A container of the user's beside the main one.
fn helper(helper: &v1alpha1::Helper, patch: &PodPatch) -> Container {
    Container {
        name: helper.name.clone(),
        image: Some(helper.image.clone()),
        command: list(helper.command.iter().cloned()),
        args: list(helper.args.iter().cloned()),
        env: list(helper.env.iter().map(variable)),
        resources: resources(helper.resources.as_ref()),
        volume_mounts: list(patch.volumes.iter().map(mount)),
        ..Container::default()
    }
}

/// A variable of the user's.
pub fn variable(variable: &v1alpha1::EnvVar) -> EnvVar {
    let from = variable.value_from.as_ref().map(|source| EnvVarSource {
        secret_key_ref: source.secret_key_ref.as_ref().map(|key| SecretKeySelector {
            name: key.name.clone(),
            key: key.key.clone(),
            optional: key.optional.then_some(true),
        }),
        config_map_key_ref: source.config_map_key_ref.as_ref().map(|key| ConfigMapKeySelector {
            name: key.name.clone(),
            key: key.key.clone(),
            optional: key.optional.then_some(true),
        }),
        ..EnvVarSource::default()
    });
    EnvVar { name: variable.name.clone(), value: variable.value.clone(), value_from: from }
}

fn env_from(source: &v1alpha1::EnvFrom) -> EnvFromSource {
    let config_map_ref = source.config_map_ref.as_ref();
    let secret_ref = source.secret_ref.as_ref();
    EnvFromSource {
        prefix: source.prefix.clone(),
        config_map_ref: config_map_ref.map(|map| ConfigMapEnvSource { name: map.name.clone(), optional: None }),
        secret_ref: secret_ref.map(|secret| SecretEnvSource { name: secret.name.clone(), optional: None }),
    }
}

fn dns_config(config: &v1alpha1::DnsConfig) -> PodDNSConfig {
    let options = config.options.iter();
    let options = options.map(|one| PodDNSConfigOption { name: Some(one.name.clone()), value: one.value.clone() });
    PodDNSConfig {
        nameservers: list(config.nameservers.iter().cloned()),
        options: list(options),
        searches: list(config.searches.iter().cloned()),
    }
}

/// A container without any privilege.
fn restricted(mut container: Container) -> Container {
    container.security_context = Some(SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        seccomp_profile: Some(runtime_default()),
        ..SecurityContext::default()
    });
    container.volume_mounts.get_or_insert_default().push(VolumeMount {
        name: TMP.into(),
        mount_path: "/tmp".into(),
        ..VolumeMount::default()
    });
    container
}

fn runtime_default() -> SeccompProfile {
    SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }
}

/// Requests and limits as Kubernetes takes them.
pub fn resources(resources: Option<&Resources>) -> Option<ResourceRequirements> {
    let amounts = |amounts: &BTreeMap<String, v1alpha1::Quantity>| {
        some(
            amounts.iter().map(|(name, amount)| (name.clone(), Quantity(amount.0.clone()))).collect::<BTreeMap<_, _>>(),
        )
    };
    resources.map(|given| ResourceRequirements {
        requests: amounts(&given.requests),
        limits: amounts(&given.limits),
        ..ResourceRequirements::default()
    })
}

fn volume(volume: &v1alpha1::Volume) -> Volume {
    Volume {
        name: volume.name.clone(),
        persistent_volume_claim: volume.persistent_volume_claim.as_ref().map(|claim| {
            PersistentVolumeClaimVolumeSource {
                claim_name: claim.claim_name.clone(),
                read_only: volume.read_only.then_some(true),
            }
        }),
        config_map: volume
            .config_map
            .as_ref()
            .map(|map| ConfigMapVolumeSource { name: map.name.clone(), ..ConfigMapVolumeSource::default() }),
        secret: volume.secret.as_ref().map(|secret| SecretVolumeSource {
            secret_name: Some(secret.secret_name.clone()),
            ..SecretVolumeSource::default()
        }),
        empty_dir: volume.empty_dir.as_ref().map(|dir| EmptyDirVolumeSource {
            medium: dir.medium.clone(),
            size_limit: dir.size_limit.as_ref().map(|limit| Quantity(limit.0.clone())),
        }),
        ..Volume::default()
    }
}

fn mount(volume: &v1alpha1::Volume) -> VolumeMount {
    VolumeMount {
        name: volume.name.clone(),
        mount_path: volume.mount_path.clone(),
        read_only: volume.read_only.then_some(true),
        sub_path: volume.persistent_volume_claim.as_ref().and_then(|claim| claim.sub_path.clone()),
        ..VolumeMount::default()
    }
}

/// `None` where there is nothing: an empty map would be stored as absent and look like a difference.
fn some<V>(map: BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    (!map.is_empty()).then_some(map)
}

fn list<T>(items: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let items: Vec<T> = items.collect();
    (!items.is_empty()).then_some(items)
}
