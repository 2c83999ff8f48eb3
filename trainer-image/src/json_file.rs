//! Files of JSON that come with a model or a checkpoint: what is wrong with one is said with the field.

use std::io;
use std::path::Path;

use real_datasets::files::text_of;
use serde::de::DeserializeOwned;

/// Most bytes of such a file. The largest that models come with, a tokenizer's, has some 30 MiB.
pub(crate) const MOST: u64 = 1 << 28;

/// The text of a file that is there; a device or a pipe is none.
///
/// # Errors
/// It cannot be read, is too large or no text.
pub(crate) fn text(path: &Path) -> io::Result<String> {
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    text_of(file, MOST)
}

/// What a text of JSON holds.
///
/// # Errors
/// It is no JSON, or a field is not what it has to be: its name, then what is wrong.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let what = error.inner();
        if matches!(path.as_str(), "." | "?") { what.to_string() } else { format!("{path}: {what}") }
    })?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_field_that_is_wrong_is_named() {
        let read = |text: &str| parse::<BTreeMap<String, Vec<u8>>>(text).expect_err("wrong");
        assert!(read(r#"{"a": [1, "x"]}"#).starts_with("a[1]: invalid type: string \"x\", expected u8"));
        assert!(read(r#"{"a": [1]} x"#).contains("trailing characters"));
        assert!(read("").contains("EOF"));
        assert!(text(Path::new("/dev/zero")).expect_err("no file").to_string().contains("it is no file"));
    }
}
