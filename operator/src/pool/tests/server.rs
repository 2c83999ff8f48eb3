//! What the API server and the controllers behind it do to our objects, as far as a plan can see it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::labels;
use crate::pool::child::HAND_OVER_MANAGER;
use crate::pool::{Child, ChildRef, Kind, Observed};

/// Objects by kind and name.
#[derive(Clone, Default)]
pub(super) struct Server {
    objects: BTreeMap<(Kind, String), Value>,
    /// `replicas` as each manager last applied it.
    replicas: BTreeMap<(&'static str, String), i64>,
    written: u32,
}

impl Server {
    pub(super) fn apply(&mut self, child: &Child) {
        let (kind, name) = (child.kind(), child.name().to_owned());
        let mut body = child.json();
        self.written += 1;
        if kind == Kind::Deployment {
            self.own_replicas(child.field_manager(), &name, &mut body);
        }
        let object = self.objects.entry((kind, name)).or_insert_with(|| {
            assert_eq!(child.field_manager(), labels::MANAGER, "a partial object makes nothing");
            json!({"metadata": {"uid": format!("uid-{}", self.written), "creationTimestamp": "2026-01-01T00:00:00Z"}})
        });
        let before = object["spec"].clone();
        merge(object, &body);
        add_defaults(kind, object);
        if object["spec"] != before {
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        object["metadata"]["resourceVersion"] = json!(self.written.to_string());
    }

    /// A field that its last manager leaves out goes back to its default.
    fn own_replicas(&mut self, manager: &'static str, name: &str, body: &mut Value) {
        let owned = (manager, name.to_owned());
        if let Some(replicas) = body["spec"]["replicas"].as_i64() {
            self.replicas.retain(|(_, other), held| other != name || *held == replicas);
            self.replicas.insert(owned, replicas);
        } else {
            let was_ours = self.replicas.remove(&owned).is_some();
            let other = self.replicas.contains_key(&(HAND_OVER_MANAGER, name.to_owned()));
            if was_ours && !other {
                body["spec"]["replicas"] = json!(1);
            }
        }
        if let Some(spec) = body["spec"].as_object_mut() {
            spec.retain(|_, value| !value.is_null());
        }
    }

    pub(super) fn delete(&mut self, child: &ChildRef) {
        let gone = self.objects.remove(&(child.kind, child.name.clone())).expect("there is something to delete");
        assert_eq!(gone["metadata"]["uid"].as_str(), child.uid.as_deref());
    }

    /// One object, to be changed by somebody else.
    pub(super) fn get(&mut self, kind: Kind, name: &str) -> &mut Value {
        self.objects.get_mut(&(kind, name.to_owned())).expect("it exists")
    }

    pub(super) fn remove(&mut self, kind: Kind, name: &str) {
        self.objects.remove(&(kind, name.to_owned())).expect("it exists");
    }

    pub(super) fn put(&mut self, kind: Kind, object: Value) {
        let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
        self.objects.insert((kind, name), object);
    }

    /// The Deployment controller, the scheduler and the kubelet: everything that is wanted runs.
    pub(super) fn run_pods(&mut self) {
        for ((kind, _), object) in &mut self.objects {
            if *kind == Kind::Deployment {
                let (replicas, generation) = (&object["spec"]["replicas"], &object["metadata"]["generation"]);
                object["status"] = json!({
                    "observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas,
                    "readyReplicas": replicas, "availableReplicas": replicas,
                });
            }
        }
    }

    /// Ready replicas of a Deployment.
    pub(super) fn ready(&self, name: &str) -> u32 {
        let object = self.objects.get(&(Kind::Deployment, name.to_owned()));
        object.and_then(|object| object["status"]["readyReplicas"].as_u64()).unwrap_or(0) as u32
    }

    /// Fills in the children.
    pub(super) fn observe(&self, observed: &mut Observed) {
        fn all<K: serde::de::DeserializeOwned>(server: &Server, kind: Kind) -> Vec<K> {
            let objects = server.objects.iter().filter(|((other, _), _)| *other == kind);
            objects.map(|(_, object)| serde_json::from_value(object.clone()).expect("an object of its kind")).collect()
        }
        observed.service_accounts = all(self, Kind::ServiceAccount);
        observed.network_policies = all(self, Kind::NetworkPolicy);
        observed.services = all(self, Kind::Service);
        observed.pdbs = all(self, Kind::PodDisruptionBudget);
        observed.deployments = all(self, Kind::Deployment);
        observed.hpas = all(self, Kind::HorizontalPodAutoscaler);
        observed.scaled_objects = all(self, Kind::ScaledObject);
    }
}

/// As far as our objects go: maps are merged, everything else is replaced.
fn merge(object: &mut Value, body: &Value) {
    match (object, body) {
        (Value::Object(object), Value::Object(body)) => {
            for (key, value) in body {
                merge(object.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (object, body) => *object = body.clone(),
    }
}

fn set(object: &mut Value, defaults: &[(&str, Value)]) {
    let Some(map) = object.as_object_mut() else { return };
    for (key, value) in defaults {
        map.entry(*key).or_insert_with(|| value.clone());
    }
}

/// What the server adds to what it is given.
fn add_defaults(kind: Kind, object: &mut Value) {
    set(&mut object["metadata"], &[("managedFields", json!([{"manager": "real-operator", "operation": "Apply"}]))]);
    let spec = &mut object["spec"];
    match kind {
        Kind::ServiceAccount | Kind::NetworkPolicy | Kind::PodDisruptionBudget => {
            if let Some(map) = object.as_object_mut() {
                map.retain(|_, value| !value.is_null());
            }
        }
        Kind::Service => set(
            spec,
            &[
                ("clusterIP", json!("10.96.1.2")),
                ("clusterIPs", json!(["10.96.1.2"])),
                ("internalTrafficPolicy", json!("Cluster")),
                ("ipFamilies", json!(["IPv4"])),
                ("ipFamilyPolicy", json!("SingleStack")),
                ("sessionAffinity", json!("None")),
                ("type", json!("ClusterIP")),
            ],
        ),
        Kind::Deployment => {
            set(spec, &[("replicas", json!(1)), ("progressDeadlineSeconds", json!(600))]);
            let pod = &mut spec["template"]["spec"];
            let always =
                [("dnsPolicy", "ClusterFirst"), ("restartPolicy", "Always"), ("schedulerName", "default-scheduler")];
            set(pod, &always.map(|(key, value)| (key, json!(value))));
            pod["serviceAccount"] = pod["serviceAccountName"].clone();
            for container in pod["containers"].as_array_mut().expect("containers") {
                set(container, &[("terminationMessagePath", json!("/dev/termination-log")), ("resources", json!({}))]);
                for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                    set(&mut container[probe], &[("successThreshold", json!(1))]);
                    set(&mut container[probe]["httpGet"], &[("scheme", json!("HTTP"))]);
                }
            }
        }
        Kind::HorizontalPodAutoscaler => {
            set(spec, &[("minReplicas", json!(1))]);
        }
        Kind::ScaledObject => {
            set(&mut object["metadata"], &[("finalizers", json!(["finalizer.keda.sh"]))]);
            object["metadata"]["labels"]["scaledobject.keda.sh/name"] = object["metadata"]["name"].clone();
            // A list has no types for its items.
            if let Some(map) = object.as_object_mut() {
                map.retain(|key, _| key != "apiVersion" && key != "kind");
            }
        }
    }
}
