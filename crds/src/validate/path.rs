//! Paths of fields inside an object.

use std::fmt;

use serde_json::Value;

/// The way from an object's root to a field: `spec.datasets.train[0].name`.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldPath(Vec<Segment>);

/// One step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Into a field or a map's key.
    Key(String),
    /// Into a list's item.
    Index(usize),
}

/// Why a text is not a [`FieldPath`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{text}\" is not a path of fields: {problem}; write it like spec.datasets.train[0].storageUri")]
pub struct PathError {
    text: String,
    problem: &'static str,
}

impl FieldPath {
    /// The path of the field `key` of this object.
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.with(Segment::Key(key.into()))
    }

    /// The path of item `index` of this list.
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// The steps from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The path of the object or list this is in; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// Whether this is `other` or inside of it.
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The value at this path of `root`.
    pub fn get<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(root, |value, segment| match segment {
            Segment::Key(key) => value.get(key),
            Segment::Index(index) => value.get(index),
        })
    }

    /// Reads `spec.a.b[0].c`; keys that are not plain words are written `limits["nvidia.com/gpu"]`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let problem = |problem| PathError { text: text.to_owned(), problem };
        let mut path = Self::default();
        let mut rest = text;
        loop {
            if let Some(quoted) = rest.strip_prefix("[\"") {
                let (key, after) = quoted.split_once("\"]").ok_or_else(|| problem("[\" without \"]"))?;
                path = path.key(key);
                rest = after;
            } else if let Some(bracket) = rest.strip_prefix('[') {
                let (inside, after) = bracket.split_once(']').ok_or_else(|| problem("[ without ]"))?;
                path = match inside.parse() {
                    Ok(index) => path.index(index),
                    // The API server writes keys of maps in brackets without quotes.
                    Err(_) if !inside.is_empty() => path.key(inside),
                    Err(_) => return Err(problem("[] without an index")),
                };
                rest = after;
            } else {
                let word = rest.strip_prefix('.').unwrap_or(rest);
                let end = word.find(['.', '[']).unwrap_or(word.len());
                if end == 0 {
                    return Err(problem("a field has no name"));
                }
                path = path.key(&word[..end]);
                rest = &word[end..];
            }
            if rest.is_empty() {
                return Ok(path);
            }
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(key)?;
                }
                Segment::Key(key) => write!(f, "[\"{key}\"]")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_what_it_writes() {
        for text in ["spec", "spec.datasets.train[0].storageUri", "spec.limits[\"nvidia.com/gpu\"].x", "a[0][1]"] {
            assert_eq!(FieldPath::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_broken_path_is_named() {
        for (text, problem) in [
            ("", "a field has no name"),
            ("spec..a", "a field has no name"),
            ("spec.a[0", "[ without ]"),
            ("spec.a[]", "[] without an index"),
            ("spec.a[\"b", "[\" without \"]"),
        ] {
            assert_eq!(
                FieldPath::parse(text).unwrap_err().to_string(),
                format!(
                    "\"{text}\" is not a path of fields: {problem}; write it like spec.datasets.train[0].storageUri"
                )
            );
        }
    }
}
