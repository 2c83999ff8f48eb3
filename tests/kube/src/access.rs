//! Ways to the API server: as the administrator, as a user, as a service account, and a namespace to work in.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{ObjectMeta, PostParams};
use kube::config::AuthInfo;
use kube::{Api, Client, Config};

use crate::ControlPlane;
use crate::certificates::Identity;
use crate::kubeconfig::{self, Credentials};

impl ControlPlane {
    /// Configuration of the administrator's clients.
    pub fn client_config(&self) -> Config {
        self.config_with(certificate(self.admin()))
    }

    /// A client of the administrator. A client belongs to the runtime it is made in, so each test needs its own.
    pub fn client(&self) -> Client {
        make(self.client_config())
    }

    /// A client of the bearer of `token`.
    pub fn client_with_token(&self, token: &str) -> Client {
        make(self.config_with(bearer(token)))
    }

    /// A client of a user, who may do what RBAC lets `user` and `group` do.
    ///
    /// # Errors
    /// Where no certificate can be made for such names.
    pub fn client_as(&self, user: &str, group: Option<&str>) -> Result<Client> {
        Ok(make(self.config_with(certificate(&self.authority().client(user, group)?))))
    }

    /// Writes a kubeconfig of the bearer of `token`, for a program that is to run with just its rights.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn kubeconfig_with_token(&self, token: &str) -> Result<PathBuf> {
        let authority = self.authority().certificate();
        self.write_kubeconfig(&kubeconfig::text(self.url(), Some(&authority), &Credentials::Token(token)))
    }

    pub(crate) fn write_kubeconfig(&self, text: &str) -> Result<PathBuf> {
        static WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let path = self.folder().join(format!("kubeconfig-{}", WRITTEN.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(path)
    }

    /// A token of a service account, as its pods get it. It is good for an hour.
    ///
    /// # Panics
    /// Where there is no such service account.
    pub async fn token(&self, namespace: &str, service_account: &str) -> String {
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let answer = Api::<ServiceAccount>::namespaced(self.client(), namespace)
            .create_token_request(service_account, &PostParams::default(), &request)
            .await;
        match answer {
            Ok(TokenRequest { status: Some(status), .. }) => status.token,
            other => panic!("no token of service account {namespace}/{service_account}: {other:?}"),
        }
    }

    /// Creates a namespace that no other test of this process has, called `prefix` and a number. It has the `default` service
    /// account, which otherwise a controller would make and without which there can be no pods.
    ///
    /// # Panics
    /// Where it cannot be created.
    pub async fn namespace(&self, prefix: &str) -> String {
        static CREATED: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{prefix}-{}", CREATED.fetch_add(1, Ordering::Relaxed));
        let client = self.client();
        let named = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        Api::all(client.clone())
            .create(&PostParams::default(), &Namespace { metadata: named(&name), ..Namespace::default() })
            .await
            .unwrap_or_else(|error| panic!("namespace {name} cannot be created: {error}"));
        Api::namespaced(client, &name)
            .create(&PostParams::default(), &ServiceAccount { metadata: named("default"), ..ServiceAccount::default() })
            .await
            .unwrap_or_else(|error| panic!("service account {name}/default cannot be created: {error}"));
        name
    }

    fn config_with(&self, auth_info: AuthInfo) -> Config {
        let url = self.url().parse().expect("a loopback address is a URL");
        let mut config = Config::new(url);
        config.root_cert = Some(vec![self.authority().der()]);
        config.auth_info = auth_info;
        config
    }
}

pub(crate) fn make(config: Config) -> Client {
    // Another crate of the same build may bring a second implementation of TLS's cryptography, and rustls then wants to be told
    // which to use. An error means that it was told before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::try_from(config).expect("certificates made here can be read")
}

pub(crate) fn bearer(token: &str) -> AuthInfo {
    AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() }
}

fn certificate(identity: &Identity) -> AuthInfo {
    AuthInfo {
        client_certificate_data: Some(STANDARD.encode(&identity.certificate)),
        client_key_data: Some(STANDARD.encode(&identity.key).into()),
        ..AuthInfo::default()
    }
}
