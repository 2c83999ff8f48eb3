//! What lies under a key: a list that a store gives page by page.

use jiff::Timestamp;
use reqwest::{RequestBuilder, Url};

use crate::ask::{ask_store, text_of};
use crate::download::shown;
use crate::place::is_inside;
use crate::{Patience, SourceError, StoreKind};

/// Most objects under a key: a model has a few hundred.
const MOST_OBJECTS: usize = 100_000;

/// An object of a list.
pub(crate) struct Listed {
    pub(crate) key: String,
    /// What follows the prefix that was asked for.
    pub(crate) name: String,
    pub(crate) tag: String,
    pub(crate) bytes: u64,
    pub(crate) modified: Option<Timestamp>,
}

/// An object as a page has it.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) tag: String,
    pub(crate) bytes: u64,
    pub(crate) modified: Option<Timestamp>,
    /// It stands for a folder.
    pub(crate) is_folder: bool,
}

/// A part of a list.
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    /// What the next one is asked for with.
    pub(crate) next: Option<String>,
}

/// A list that is asked for.
pub(crate) struct Listing<'a> {
    pub(crate) kind: StoreKind,
    /// Of what is listed, to be shown.
    pub(crate) url: Url,
    pub(crate) prefix: &'a str,
    pub(crate) patience: Patience,
}

impl Listing<'_> {
    /// All objects whose keys begin with the prefix and go on, but for those that stand for folders. `request` asks for the page after
    /// another, `read` takes its text apart.
    pub(crate) async fn all(
        &self,
        request: impl Fn(Option<&str>) -> RequestBuilder,
        read: impl Fn(&str) -> Result<Page, String>,
    ) -> Result<Vec<Listed>, SourceError> {
        let protocol = |what: String| SourceError::Protocol { url: shown(&self.url), what };
        let (mut objects, mut next) = (Vec::new(), None::<String>);
        loop {
            let answer = ask_store(self.kind, &self.url, self.patience, || request(next.as_deref()), &[]).await?;
            let text = text_of(answer).await.map_err(protocol)?;
            let page = read(&text).map_err(|why| protocol(format!("its list {why}")))?;
            for entry in page.entries {
                let name = entry.key.strip_prefix(self.prefix);
                let Some(name) = name.filter(|name| !name.is_empty() && !name.ends_with('/')) else { continue };
                if entry.is_folder {
                    continue;
                }
                if !is_inside(name) {
                    return Err(protocol(format!("\"{name}\" is no name of a file")));
                }
                objects.push(Listed {
                    name: name.to_owned(),
                    tag: entry.tag.trim_matches('"').to_owned(),
                    bytes: entry.bytes,
                    modified: entry.modified,
                    key: entry.key,
                });
            }
            if objects.len() > MOST_OBJECTS {
                return Err(protocol(format!("more than {MOST_OBJECTS} objects lie under that key")));
            }
            let before = std::mem::replace(&mut next, page.next);
            if next.is_none() {
                return Ok(objects);
            }
            if next == before {
                return Err(protocol("its list does not end".to_owned()));
            }
        }
    }
}

/// The text of the first element of a name.
pub(crate) fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let inner = rest.split_once(&format!("</{name}>"))?.0;
    let plain = inner.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Some(plain.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_an_answer_are_read_as_they_were_written() {
        let text = "<A><Key>a&amp;b &lt;c&gt;</Key><UploadId>x</UploadId></A>";
        assert_eq!(element(text, "Key").as_deref(), Some("a&b <c>"));
        assert_eq!(element(text, "Other"), None);
    }
}
