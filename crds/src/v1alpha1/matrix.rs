//! The matrix of a `RealEvalSweep`: settings that are varied, and what their values may be.

use kube::core::{Message, Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A setting that can be varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AxisName {
    /// Sampling temperature; 0 takes the most probable token each time.
    Temperature,
    /// Nucleus: tokens are drawn from the smallest set whose probability reaches this.
    TopP,
    /// Answers a task.
    Samples,
    /// Seed of sampling.
    Seed,
    /// Longest answer in tokens.
    MaxResponseTokens,
    /// What the model is shown: `default`, or a text in which `{prompt}` stands for the task's last message.
    PromptTemplate,
}

impl AxisName {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Temperature, Self::TopP, Self::Samples, Self::Seed, Self::MaxResponseTokens, Self::PromptTemplate];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::TopP => "topP",
            Self::Samples => "samples",
            Self::Seed => "seed",
            Self::MaxResponseTokens => "maxResponseTokens",
            Self::PromptTemplate => "promptTemplate",
        }
    }

    /// A regular expression that whole values match, in the syntax that RE2 and `regex` share.
    pub(crate) fn pattern(self) -> &'static str {
        match self {
            Self::Temperature => "^([01]([.][0-9]{1,4})?|2([.]0{1,4})?)$",
            Self::TopP => "^(0[.][0-9]{0,3}[1-9][0-9]{0,3}|1([.]0{1,4})?)$",
            Self::Samples => "^[1-9][0-9]{0,3}$",
            Self::Seed => "^[0-9]{1,18}$",
            Self::MaxResponseTokens => "^[1-9][0-9]{0,5}$",
            Self::PromptTemplate => "^default$|[{]prompt[}]",
        }
    }

    /// What values are allowed, in words.
    pub(crate) fn allowed(self) -> &'static str {
        match self {
            Self::Temperature => "a number from 0 to 2, such as 0.7",
            Self::TopP => "a number above 0 and at most 1, such as 0.95",
            Self::Samples => "a whole number from 1 to 9999",
            Self::Seed => "a whole number from 0, of at most 18 digits",
            Self::MaxResponseTokens => "a whole number from 1 to 999999",
            Self::PromptTemplate => "default, or a text with {prompt} in it",
        }
    }
}

/// A setting and its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules()))]
pub struct MatrixAxis {
    /// The setting.
    pub name: AxisName,
    /// Its values, as text; none twice.
    #[schemars(length(min = 1, max = 64), inner(length(max = 64)))]
    pub values: Vec<String>,
}

/// One rule a setting, and one for all.
fn rules() -> Vec<Rule> {
    let of = |axis: AxisName| {
        let (name, pattern, allowed) = (axis.name(), axis.pattern(), axis.allowed());
        Rule::new(format!("self.name != '{name}' || self.values.all(v, v.matches('{pattern}'))"))
            .message(Message::Expression(format!(
                "'{name} has the value \"' + self.values.filter(v, !v.matches('{pattern}'))[0] + '\": it must be {allowed}'"
            )))
            .field_path(".values")
    };
    let once = Rule::new("self.values.all(v, self.values.exists_one(w, w == v))")
        .message(Message::Expression(
            "self.name + ' has the value \"' + self.values.filter(v, !self.values.exists_one(w, w == v))[0] + '\" twice'".into(),
        ))
        .field_path(".values");
    AxisName::ALL.into_iter().map(of).chain([once]).collect()
}
