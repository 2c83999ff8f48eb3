//! Files that go to buckets of real servers, through a proxy of faults. Skipped where a server is not there.

mod cloud;
mod store;

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloud::{ACCOUNT, KEY, azurite, metadata};
use real_sources::{Azure, AzureAccess, BucketKeys, Buckets, Google, Parts, Patience, Settings, Shelf, SourceError};
use store::{Fault, Kind, Store};
use tempfile::TempDir;

const PART: u64 = 10_000;

/// A store that is written to in one of its ways.
struct Way<'a> {
    name: &'static str,
    scheme: &'static str,
    store: &'a Store,
    buckets: Buckets,
    google: Google,
    azure: Azure,
}

/// The servers, as far as they are there.
struct Stores {
    s3: Option<Store>,
    azure: Option<Store>,
    _folder: TempDir,
}

impl Stores {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (s3, azure) = (Store::start().await, azurite(folder.path()).await);
        Self { s3, azure, _folder: folder }
    }

    fn ways(&self) -> Vec<Way<'_>> {
        let nowhere = "http://127.0.0.1:9";
        let keys = |token: Option<&str>| {
            Some(BucketKeys { id: "id".into(), secret: "hush".into(), token: token.map(str::to_owned) })
        };
        let way = |name, scheme, store| Way {
            name,
            scheme,
            store,
            // Nothing of another kind's is to be asked or sent.
            buckets: Buckets { endpoint: Some(nowhere.into()), ..Buckets::default() },
            google: Google { endpoint: nowhere.into(), ..Google::default() },
            azure: Azure::default(),
        };
        let mut ways = Vec::new();
        if let Some(store) = &self.s3 {
            let endpoint = store.proxy.clone();
            let buckets =
                Buckets { endpoint: Some(endpoint.clone()), keys: keys(Some("session")), ..Buckets::default() };
            ways.push(Way { buckets, ..way("keys", "s3", store) });
            let google = Google { endpoint: endpoint.clone(), keys: keys(None), ..Google::default() };
            ways.push(Way { google, ..way("hmac", "gs", store) });
            let google = Google { endpoint, token: Some("hush".into()), ..Google::default() };
            ways.push(Way { google, ..way("token", "gs", store) });
        }
        if let Some(store) = &self.azure {
            let azure = Azure {
                account: Some(ACCOUNT.into()),
                endpoint: Some(format!("{}/{ACCOUNT}", store.proxy)),
                access: AzureAccess::Key(STANDARD.decode(KEY).unwrap()),
            };
            ways.push(Way { azure, ..way("key", "az", store) });
        }
        ways
    }
}

impl Way<'_> {
    fn shelf(&self, cache: &Path) -> Shelf {
        let settings = Settings {
            cache: cache.to_owned(),
            hub: "http://127.0.0.1:9".to_owned(),
            token: None,
            buckets: self.buckets.clone(),
            google: self.google.clone(),
            azure: self.azure.clone(),
            offline: false,
            patience: Patience {
                // Ten times that for an answer.
                silence: Duration::from_millis(300),
                fruitless: 3,
                tries: 20,
                first_wait: Duration::from_millis(1),
            },
            parts: Parts { bytes: PART, at_once: 2 },
        };
        Shelf::new(&format!("{}://data/{}/a b/", self.scheme, self.name), settings).unwrap()
    }

    fn key(&self, name: &str) -> String {
        format!("{}/a%20b/{name}", self.name)
    }

    /// Requests that announce a number of uploads: Azure's blocks are not announced.
    fn begun(&self, uploads: usize) -> usize {
        if self.store.is_azures() { 0 } else { uploads }
    }

    /// Whether everything that was asked for says who asks, in the way's own manner.
    fn says_who(&self) -> bool {
        self.store.log().iter().all(|asked| match self.name {
            "token" => asked.token.as_deref() == Some("Bearer hush"),
            "keys" => asked.signed && asked.token.is_none(),
            _ => asked.signs && asked.token.is_none(),
        })
    }
}

fn content(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[tokio::test]
async fn a_file_is_sent_in_parts_each_once_and_is_there_whole_or_not_at_all() {
    for way in Stores::start().await.ways() {
        sends_whole_files(&way).await;
    }
}

async fn sends_whole_files(way: &Way<'_>) {
    let (store, folder) = (way.store, tempfile::tempdir().unwrap());
    let shelf = way.shelf(folder.path());
    let (small, large, exact) = (content(700), content(45_001), content(20_000));
    for (name, content) in [("small", &small), ("large", &large), ("exact", &exact), ("empty", &Vec::new())] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    store.rule(|_| None);
    for name in ["small", "large", "exact", "empty"] {
        shelf.put(&format!("checkpoints/step-1/{name}"), &folder.path().join(name)).await.unwrap();
    }
    assert_eq!((store.count(Kind::Begin), store.count(Kind::Complete), store.count(Kind::Put)), (way.begun(2), 2, 2));
    let parts: Vec<usize> =
        store.log().iter().filter(|asked| asked.kind == Kind::Part).map(|asked| asked.bytes).collect();
    assert_eq!((parts.len(), parts.iter().sum::<usize>()), (7, 65_001), "each byte is sent once");
    assert!(way.says_who(), "{}: {:?}", way.name, store.log());
    let at = |name: &str| way.key(&format!("checkpoints/step-1/{name}"));
    for (name, content) in [("small", &small), ("large", &large), ("exact", &exact), ("empty", &Vec::new())] {
        assert_eq!(store.content(&at(name)).await.as_ref(), Some(content), "{name}");
    }
    let mut listed = shelf.list("checkpoints").await.unwrap();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let sizes: Vec<(&str, u64)> = listed.iter().map(|item| (item.name.as_str(), item.bytes)).collect();
    assert_eq!(sizes, [("step-1/empty", 0), ("step-1/exact", 20_000), ("step-1/large", 45_001), ("step-1/small", 700)]);
    assert!(listed.iter().all(|item| item.modified.is_some()));
    // What comes back is compared with the digest that the caller knows.
    let back = folder.path().join("back");
    let wrong = shelf.fetch("checkpoints/step-1/large", &back, &"0".repeat(64)).await.unwrap_err().to_string();
    assert!(wrong.contains("its SHA-256 is") && !back.exists(), "{wrong}");
    shelf.write("note", "hello").await.unwrap();
    assert_eq!(shelf.read("note").await.unwrap().as_deref(), Some(&b"hello"[..]));
    shelf.delete(&["note".to_owned(), "never/there".to_owned()]).await.unwrap();
    assert_eq!(shelf.read("note").await.unwrap(), None);
}

#[tokio::test]
async fn whatever_a_store_does_wrong_with_an_upload_is_survived_or_told() {
    for way in Stores::start().await.ways() {
        survives_or_tells(&way).await;
    }
}

async fn survives_or_tells(way: &Way<'_>) {
    let (store, folder) = (way.store, tempfile::tempdir().unwrap());
    let (path, large) = (folder.path().join("large"), content(45_001));
    std::fs::write(&path, &large).unwrap();
    let shelf = way.shelf(folder.path());
    let other_sum = if store.is_azures() {
        "<Error><Code>Md5Mismatch</Code></Error>"
    } else {
        "<Error><Code>BadDigest</Code></Error>"
    };
    let slow = Fault::Answer(503, "<Error><Code>SlowDown</Code></Error>");
    for (number, (kind, faults)) in [
        (Kind::Begin, vec![slow.clone(), Fault::Answer(500, "")]),
        (Kind::Part, vec![slow.clone(), Fault::Answer(429, ""), Fault::Lost, Fault::Silent(0), slow.clone()]),
        (Kind::Part, vec![Fault::Corrupt, Fault::Answer(400, other_sum)]),
        (Kind::Complete, vec![slow.clone(), slow.clone()]),
        // The store has done it, and the answer never came.
        (Kind::Complete, vec![Fault::Lost]),
    ]
    .into_iter()
    .enumerate()
    {
        if kind == Kind::Begin && store.is_azures() {
            continue;
        }
        store.faults(kind, &faults);
        let name = format!("survived/{number}");
        shelf.put(&name, &path).await.unwrap_or_else(|error| panic!("{kind:?} {faults:?}: {error}"));
        assert_eq!(store.content(&way.key(&name)).await.as_ref(), Some(&large), "{kind:?} {faults:?}");
        let begun = way.begun(if kind == Kind::Begin { 3 } else { 1 });
        assert_eq!(store.count(Kind::Begin), begun, "{kind:?} {faults:?}");
    }
    let refused = |status: u16, code: &'static str| Fault::Answer(status, code);
    let told = match way.scheme {
        "s3" => vec![
            (Kind::Part, refused(400, "<Error><Code>ExpiredToken</Code></Error>"), "the session token has expired"),
            (Kind::Begin, refused(403, "<Error><Code>AccessDenied</Code></Error>"), "may not read or write it"),
            (
                Kind::Complete,
                refused(200, "<Error><Code>InternalError</Code></Error>"),
                "did not put the parts together",
            ),
        ],
        "gs" => vec![
            (
                Kind::Part,
                refused(401, "<Error><Code>AuthenticationRequired</Code></Error>"),
                "the token is not accepted",
            ),
            (Kind::Begin, refused(403, "<Error><Code>AccessDenied</Code></Error>"), "may not read or write it"),
            (
                Kind::Complete,
                refused(200, "<Error><Code>InternalError</Code></Error>"),
                "did not put the parts together",
            ),
        ],
        _ => vec![
            (
                Kind::Part,
                refused(403, "<Error><Code>AuthenticationFailed</Code></Error>"),
                "is not accepted, or has expired",
            ),
            (
                Kind::Complete,
                refused(403, "<Error><Code>AuthorizationPermissionMismatch</Code></Error>"),
                "writing c, w and d besides",
            ),
            (Kind::Complete, refused(400, "<Error><Code>InvalidBlockList</Code></Error>"), "InvalidBlockList"),
        ],
    };
    for (kind, fault, expected) in told {
        store.rule(move |asked| (asked.kind == kind).then(|| fault.clone()));
        let said = shelf.put(&format!("told/{kind:?}"), &path).await.unwrap_err().to_string();
        assert!(
            said.contains(expected) && !said.contains("hush") && !said.contains("Signature=") && !said.contains("sig="),
            "{said}"
        );
    }
    assert_eq!(store.keys(&way.key("told")).await, [""; 0], "nothing of it can be seen");
}

#[tokio::test]
async fn what_was_sent_before_a_store_went_away_is_not_sent_again_and_torn_uploads_are_ended() {
    for way in Stores::start().await.ways() {
        goes_on(&way).await;
    }
}

async fn goes_on(way: &Way<'_>) {
    let (store, folder) = (way.store, tempfile::tempdir().unwrap());
    let (path, large) = (folder.path().join("large"), content(45_001));
    std::fs::write(&path, &large).unwrap();
    let shelf_of_a_run = way.shelf(folder.path());
    let mut parts = 0;
    store.rule(move |asked| {
        parts += u32::from(asked.kind == Kind::Part);
        (asked.kind == Kind::Part && parts > 2).then_some(Fault::Answer(503, ""))
    });
    let error = shelf_of_a_run.put("large", &path).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    assert!(error.is_passing() && store.content(&way.key("large")).await.is_none());
    // Another run's, and one of this run's that another process began.
    way.shelf(folder.path()).put("other", &path).await.unwrap_err();
    assert_eq!(store.unfinished().await, way.begun(2));
    store.rule(|_| None);
    assert_eq!(shelf_of_a_run.abort_torn().await.unwrap(), way.begun(1), "its own is not torn");
    assert_eq!(store.keys(&way.key("")).await, [""; 0], "nothing of them can be seen");
    store.rule(|_| None);
    shelf_of_a_run.put("large", &path).await.unwrap();
    assert_eq!((store.count(Kind::Begin), store.count(Kind::Part)), (0, 3), "two parts were there");
    assert_eq!(store.content(&way.key("large")).await.as_ref(), Some(&large));
    // What is left of an upload is nothing to the next one of the same name.
    way.shelf(folder.path()).put("other", &path).await.unwrap();
    assert_eq!(store.content(&way.key("other")).await.as_ref(), Some(&large));
    assert_eq!(store.unfinished().await, 0);
}

#[tokio::test]
async fn a_machines_token_that_ends_while_a_file_is_sent_is_fetched_anew() {
    let stores = Stores::start().await;
    let Some(mut way) = stores.ways().into_iter().find(|way| way.name == "token") else { return };
    let (host, _) = metadata(&["old", "new"]).await;
    way.google = Google { token: None, metadata: Some(host), ..way.google };
    let (store, folder) = (way.store, tempfile::tempdir().unwrap());
    let (path, large) = (folder.path().join("large"), content(45_001));
    std::fs::write(&path, &large).unwrap();
    let mut parts = 0;
    store.rule(move |asked| {
        parts += u32::from(asked.kind == Kind::Part);
        let ended = parts > 2 && asked.token.as_deref() == Some("Bearer old");
        ended.then_some(Fault::Answer(401, "<Error><Code>AuthenticationRequired</Code></Error>"))
    });
    way.shelf(folder.path()).put("large", &path).await.unwrap();
    assert_eq!(store.content(&way.key("large")).await.as_ref(), Some(&large));
    assert_eq!(store.count(Kind::Begin), 1, "what was there is gone on with");
}
