//! Which arguments of a call are meant, and what clears them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// An argument by position or name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgumentAt {
    /// Position from 0; where absent, every one, or none where there are names.
    #[serde(default)]
    pub at: Option<usize>,
    /// Names as keyword.
    #[serde(default)]
    pub names: Vec<String>,
    /// Whether it is what the method is called on.
    #[serde(default)]
    pub receiver: bool,
}

/// The part of an argument that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A text.
    #[default]
    Text,
    /// A text; a mapping is sent as JSON.
    NoMapping,
    /// The names and values in a mapping, or in a list of pairs.
    Entries,
    /// The first item of a list; a text is not meant.
    FirstItem,
    /// The item after a constant `-c` of a list.
    AfterDashC,
    /// Of a list that begins with a constant `ssh`, what is a line for the shell of the other machine.
    RemoteLine,
    /// The name that `getattr` looked it up by; it itself where it was not.
    LookedUp,
}

/// A condition on keyword arguments, by name.
pub type Condition = BTreeMap<String, bool>;

/// Values of an argument that make a call harmless.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unless {
    /// Its position.
    pub at: usize,
    /// Its names as keyword.
    pub names: Vec<String>,
    /// The values, by path.
    #[serde(default)]
    pub values: Vec<String>,
    /// Whether it is harmless whenever it is given, and not `None`.
    #[serde(default)]
    pub given: bool,
    /// Texts that clear nothing although they are given.
    #[serde(default)]
    pub but: Vec<String>,
    /// A word without which a constant text makes it harmless: `text/plain` where it is about `html`.
    #[serde(default)]
    pub lacks: Option<String>,
    /// Whether headers may say that it is no page: a mapping among the arguments, or what is assigned to the answer afterwards.
    #[serde(default)]
    pub headers: bool,
}

/// What an argument beside the one that counts must look like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alongside {
    /// Its position.
    #[serde(default)]
    pub at: Option<usize>,
    /// Its names as keyword.
    #[serde(default)]
    pub names: Vec<String>,
    /// Texts of which one occurs in its constant parts.
    pub has: Vec<String>,
}

/// What a test must be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarding {
    /// The parameter that says who asks, or what proves it.
    Principal,
    /// The headers, cookies or session of the request.
    RequestHeaders,
    /// Anything: what is not done every time is bounded.
    Anything,
    /// Another parameter, or the name itself.
    OtherParameter,
    /// The host of the URL.
    UrlHost,
    /// The folder that the path of a file is in.
    Folder,
    /// A digest of the data, made with a key.
    Authentic,
    /// Anything but whether a file is there and of which kind: what an archive holds.
    Content,
    /// Nothing clears it but what the values are.
    Values,
}
