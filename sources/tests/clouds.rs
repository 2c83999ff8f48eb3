//! `gs://` and `az://`, read from real servers through a proxy of faults. Skipped where a server is not there.

mod cloud;
mod store;

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloud::{ACCOUNT, KEY, account_signature, azurite, metadata};
use real_sources::{
    Azure, AzureAccess, BucketKeys, Buckets, Fetcher, Google, Parts, Patience, Place, Settings, Shelf, SourceError,
};
use store::{Fault, Kind, Store};
use tempfile::TempDir;

/// Who reads, with a cache of their own.
struct Reader {
    cache: TempDir,
    google: Google,
    azure: Azure,
}

impl Reader {
    fn new(google: Google, azure: Azure) -> Self {
        Self { cache: tempfile::tempdir().unwrap(), google, azure }
    }

    fn settings(&self) -> Settings {
        let patience =
            Patience { silence: Duration::from_secs(3), fruitless: 3, tries: 20, first_wait: Duration::from_millis(1) };
        Settings {
            cache: self.cache.path().to_owned(),
            hub: "http://127.0.0.1:9".to_owned(),
            token: None,
            // Nothing of S3's is to be asked or sent.
            buckets: Buckets { endpoint: Some("http://127.0.0.1:9".to_owned()), ..Buckets::default() },
            google: self.google.clone(),
            azure: self.azure.clone(),
            offline: false,
            patience,
            parts: Parts { bytes: 30_000, at_once: 3 },
        }
    }

    async fn file(&self, uri: &str) -> Result<Vec<u8>, SourceError> {
        let path = Fetcher::new(self.settings()).unwrap().file(&Place::parse(uri).unwrap()).await?;
        Ok(std::fs::read(path).unwrap())
    }

    async fn folder(&self, uri: &str) -> Result<Vec<String>, SourceError> {
        let folder = Fetcher::new(self.settings()).unwrap().folder(&Place::parse(uri).unwrap()).await?;
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.contains(".lock"));
        names.sort();
        Ok(names)
    }
}

fn weights() -> Vec<u8> {
    (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// First bytes that were asked for, in order.
fn begun(store: &Store) -> Vec<u64> {
    let mut begun: Vec<u64> = store.log().iter().filter(|asked| asked.kind == Kind::Get).map(|a| a.from).collect();
    begun.sort_unstable();
    begun
}

/// Faults that every store has, of an object each; `put` writes one.
async fn survives_what_passes(reader: &Reader, store: &Store, scheme: &str, put: impl AsyncFn(&str, &[u8])) {
    let content = weights();
    let slow = || Fault::Answer(503, "<Error><Code>ServerBusy</Code></Error>");
    for (number, faults) in [
        vec![slow(), Fault::Answer(429, "")],
        vec![Fault::Cut(9_000), slow(), Fault::Answer(500, "")],
        vec![Fault::Silent(3_000)],
        vec![Fault::Corrupt],
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("faults/{number}.bin");
        put(&key, &content).await;
        store.faults(Kind::Get, &faults);
        let fetched = reader.file(&format!("{scheme}://data/{key}")).await;
        assert_eq!(fetched.unwrap_or_else(|error| panic!("{faults:?}: {error}")), content, "{faults:?}");
    }
    put("faults/away.bin", &content).await;
    store.rule(|asked| (asked.kind == Kind::Get && asked.from >= 60_000).then_some(Fault::Answer(503, "")));
    let error = reader.file(&format!("{scheme}://data/faults/away.bin")).await.unwrap_err();
    assert!(error.is_passing() && error.to_string().contains("60000 bytes here"), "{error}");
    store.rule(|_| None);
    assert_eq!(reader.file(&format!("{scheme}://data/faults/away.bin")).await.unwrap(), content);
    assert_eq!(begun(store), [60_000, 90_000], "what was here is not asked for");
    put("faults/corrupt.bin", &content).await;
    store.rule(|asked| (asked.kind == Kind::Get && asked.from == 30_000).then_some(Fault::Corrupt));
    let error = reader.file(&format!("{scheme}://data/faults/corrupt.bin")).await.unwrap_err().to_string();
    assert!(error.contains("its MD5 is") && error.contains("nothing of it was kept"), "{error}");
    store.rule(|_| None);
}

/// A model and what lies beside it.
async fn reads_a_model(reader: &Reader, scheme: &str, below: &str, put: impl AsyncFn(&str, &[u8])) {
    let content = weights();
    for (key, content) in [
        ("models/a b/config.json", &b"{}"[..]),
        ("models/a b/model.safetensors", &content),
        ("models/a b/notes.md", b"no part of a model"),
        ("models/a b/optimizer/state.safetensors", b"neither"),
        ("models/a bc/config.json", b"another model"),
        ("empty.jsonl", b""),
    ] {
        put(&format!("{below}/{}", key.replace(' ', "%20")), content).await;
    }
    let uri = format!("{scheme}://data/{below}/models/a b/");
    assert_eq!(reader.folder(&uri).await.unwrap(), ["config.json", "model.safetensors"]);
    put(&format!("{below}/models/a%20b/tokenizer.json"), b"{}").await;
    assert_eq!(reader.folder(&uri).await.unwrap(), ["config.json", "model.safetensors", "tokenizer.json"]);
    assert_eq!(reader.file(&format!("{scheme}://data/{below}/empty.jsonl")).await.unwrap(), b"");
    let nothing = reader.folder(&format!("{scheme}://data/{below}/models/none")).await.unwrap_err().to_string();
    assert!(nothing.contains("holds no model: 0 objects"), "{nothing}");
    let pinned = format!("{scheme}://data/{below}/models/a b/config.json#sha256={}", "0".repeat(64));
    let wrong = reader.file(&pinned).await.unwrap_err().to_string();
    assert!(wrong.contains("its SHA-256 is"), "{wrong}");
}

#[tokio::test]
async fn googles_store_is_read_with_an_hmac_key_a_token_or_as_the_machines_account() {
    let Some(store) = Store::start().await else { return };
    let at = |google: Google| Reader::new(Google { endpoint: store.proxy.clone(), ..google }, Azure::default());
    let put = async |key: &str, content: &[u8]| store.put(key, content).await;
    let keys = || BucketKeys { id: "id".into(), secret: "hush".into(), token: None };
    let by_key = at(Google { keys: Some(keys()), ..Google::default() });
    store.rule(|_| None);
    reads_a_model(&by_key, "gs", "key", put).await;
    assert!(store.log().iter().all(|asked| asked.token.is_none()));

    let by_token = at(Google { token: Some("t1".into()), ..Google::default() });
    store.rule(|asked| {
        let known = asked.token.as_deref() == Some("Bearer t1") && !asked.signed;
        (!known).then_some(Fault::Answer(401, "<Error><Code>AuthenticationRequired</Code></Error>"))
    });
    reads_a_model(&by_token, "gs", "token", put).await;
    survives_what_passes(&by_token, &store, "gs", put).await;

    // The token ends in the middle, and the machine is given another.
    let (host, given) = metadata(&["old", "old", "new"]).await;
    let by_machine = at(Google { metadata: Some(host), ..Google::default() });
    store.put("large.bin", &weights()).await;
    store.rule(|asked| {
        let late = asked.kind == Kind::Get && asked.from >= 60_000 && asked.token.as_deref() != Some("Bearer new");
        late.then_some(Fault::Answer(401, "<Error><Code>AuthenticationRequired</Code></Error>"))
    });
    assert_eq!(by_machine.file("gs://data/large.bin").await.unwrap(), weights());
    assert_eq!(given.load(Ordering::SeqCst), 3, "to look, to fetch, and anew");
    let twice = begun(&store).iter().filter(|from| **from == 0).count();
    assert_eq!(twice, 1, "what was here is not asked for again");

    for (status, body, expected) in [
        (401, "<Error><Code>AuthenticationRequired</Code></Error>", "give GOOGLE_OAUTH_ACCESS_TOKEN, or an HMAC key"),
        (400, "<Error><Code>ExpiredToken</Code></Error>", "the token has expired"),
        (403, "<Error><Code>AccessDenied</Code></Error>", "whoever asks may not read or write it"),
        (403, "<Error><Code>SignatureDoesNotMatch</Code></Error>", "the key is not accepted"),
        (400, "<Error><Code>UserProjectMissing</Code></Error>", "who reads this bucket pays"),
        (404, "<Error><Code>NoSuchBucket</Code></Error>", "there is no such bucket"),
    ] {
        store.rule(move |_| Some(Fault::Answer(status, body)));
        let said = by_token.file("gs://data/large.bin").await.unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains(&format!("HTTP {status} (")), "{said}");
        assert!(!said.contains("t1"), "{said}");
    }
    // An object that was put together has no MD5, and what is stored compressed comes as something else.
    let parts = Settings {
        buckets: Buckets { endpoint: Some(store.proxy.clone()), keys: Some(keys()), ..Buckets::default() },
        parts: Parts { bytes: 5, at_once: 1 },
        ..by_token.settings()
    };
    let path = by_token.cache.path().join("digits");
    std::fs::write(&path, b"123456789").unwrap();
    store.rule(|_| None);
    Shelf::new("s3://data/sums", parts).unwrap().put("crc.bin", &path).await.unwrap();
    assert_eq!(store.count(Kind::Complete), 1);
    for (header, value, expected) in [
        ("x-goog-hash", "crc32c=AAAAAA==", Err("its CRC32C is e3069283, but should be 00000000")),
        ("x-goog-stored-content-encoding", "gzip", Err("is stored with a Content-Encoding")),
        ("x-goog-hash", "crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw==", Ok(())),
    ] {
        store.rule(move |asked| (asked.kind == Kind::Get).then_some(Fault::Says(header, value)));
        let fetched = by_token.file("gs://data/sums/crc.bin").await;
        match expected {
            Ok(()) => assert_eq!(fetched.unwrap(), b"123456789"),
            Err(expected) => {
                let said = fetched.unwrap_err().to_string();
                assert!(said.contains(expected), "{said}");
            }
        }
    }
    // Nobody's token is none of ours to send: an address that is given and answers with no token is an error.
    let nobody = at(Google { metadata: Some("127.0.0.1:9".into()), ..Google::default() });
    let said = nobody.file("gs://data/other.bin").await.unwrap_err().to_string();
    assert!(said.contains("GCE_METADATA_HOST"), "{said}");
}

#[tokio::test]
async fn azures_blobs_are_read_with_a_signature_that_is_given_or_made_of_the_accounts_key() {
    let folder = tempfile::tempdir().unwrap();
    let Some(store) = azurite(folder.path()).await else { return };
    let signature = account_signature("2099-01-01T00:00:00Z");
    let put = async |key: &str, content: &[u8]| store.put(key, content).await;
    let with = |access: AzureAccess| {
        let endpoint = Some(format!("{}/{ACCOUNT}", store.proxy));
        Reader::new(Google::default(), Azure { account: Some(ACCOUNT.into()), endpoint, access })
    };
    let by_key = with(AzureAccess::Key(STANDARD.decode(KEY).unwrap()));
    reads_a_model(&by_key, "az", "key", put).await;
    survives_what_passes(&by_key, &store, "az", put).await;
    reads_a_model(&with(AzureAccess::Signature(signature.clone())), "az", "signature", put).await;

    // What the server itself refuses.
    let content = STANDARD.encode("another key");
    for (reader, expected) in [
        (with(AzureAccess::Signature(account_signature("2020-01-01T00:00:00Z"))), "has expired"),
        (with(AzureAccess::Key(content.into_bytes())), "is not accepted"),
        (with(AzureAccess::Public), "AZURE_STORAGE_SAS_TOKEN"),
    ] {
        let said = reader.file("az://data/key/models/a b/config.json").await.unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains("/data/key/models/a%20b/config.json: HTTP 4"), "{said}");
        assert!(!said.contains("sig=") && !said.contains("another"), "{said}");
    }
    for (uri, expected) in
        [("az://data/absent.jsonl", "there is no such object"), ("az://other/x.jsonl", "there is no such container")]
    {
        let said = by_key.file(uri).await.unwrap_err().to_string();
        assert!(said.contains("HTTP 404") && said.contains(expected), "{said}");
    }
    let nobody = Reader::new(Google::default(), Azure::default());
    let said = nobody.file("az://data/x.jsonl").await.unwrap_err().to_string();
    assert!(said.contains("az://data/x.jsonl") && said.contains("AZURE_STORAGE_ACCOUNT"), "{said}");
}
