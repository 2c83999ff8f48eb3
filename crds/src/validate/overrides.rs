//! `--set spec.path=value`: one field of a `RealTrainingJob` from the command line.

use serde_json::{Map, Value};

use super::schema::count;
use super::{FieldPath, Location, Segment, SpecError, dialect, suggest, yaml};

/// One `PATH=VALUE`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Override {
    /// The field.
    pub(super) path: FieldPath,
    /// Its value; null takes the field away, so that its default counts.
    pub(super) value: Value,
    argument: String,
}

impl Override {
    /// Reads `spec.path=value`; the value is YAML: `3`, `1e-4`, `true`, `text`, `[89, 78]`, `{name: a}`, `null`.
    ///
    /// # Errors
    ///
    /// Without `=`, without a path or a value, with a path that is none, or a value that is not YAML.
    pub(super) fn parse(argument: &str) -> Result<Self, Box<SpecError>> {
        let refuse = |message: String| error(argument, String::new(), message, None);
        let (path, value) = argument
            .split_once('=')
            .ok_or_else(|| refuse("there is no =: write it like spec.reward.alpha=0.5".to_owned()))?;
        let path = FieldPath::parse(path.trim()).map_err(|problem| refuse(problem.to_string()))?;
        if value.trim().is_empty() {
            return Err(refuse(format!("there is no value: write {path}=null to take the field away")));
        }
        if let Some(problem) = yaml::problem(value) {
            return Err(error(argument, path.to_string(), problem, None));
        }
        let mut value = serde_saphyr::from_str(value)
            .map_err(|problem| refuse(format!("the value is not YAML: {}", yaml::reason(&problem))))?;
        dialect::whole_numbers(&mut value);
        Ok(Self { path, value, argument: argument.to_owned() })
    }

    /// Where the override was written.
    pub(super) fn location(&self) -> Location {
        Location::Override { argument: self.argument.clone() }
    }
}

/// Applies `overrides` in order to `document`, an object that `schema` describes.
///
/// # Errors
///
/// One error for each override of a field that `schema` does not know or a list's item that is not there.
pub(super) fn apply(document: &mut Value, overrides: &[Override], schema: &Value) -> Result<(), Vec<SpecError>> {
    let errors: Vec<SpecError> =
        overrides.iter().filter_map(|set| place(document, set, schema).err()).map(|error| *error).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn place(document: &mut Value, set: &Override, schema: &Value) -> Result<(), Box<SpecError>> {
    if let Some(whole) = whole_path(document, &set.path, schema) {
        let hint = Some(format!("did you mean {whole}?"));
        return Err(error(&set.argument, set.path.to_string(), "unknown field".to_owned(), hint));
    }
    let mut here = FieldPath::default();
    let (mut value, mut schema) = (&mut *document, schema);
    for segment in set.path.segments() {
        let refuse = |path: &FieldPath, message: String, hint: Option<String>| {
            Err(error(&set.argument, path.to_string(), message, hint))
        };
        match segment {
            Segment::Key(key) => {
                let path = here.key(key);
                let properties = schema["properties"].as_object();
                schema = match (properties.and_then(|known| known.get(key)), &schema["additionalProperties"]) {
                    (Some(property), _) => property,
                    (None, values) if values.is_object() => values,
                    (None, _) if schema["x-kubernetes-preserve-unknown-fields"] == true => &Value::Null,
                    (None, _) => {
                        let Some(known) = properties else {
                            if schema["type"] == "array" {
                                let message = format!("{here} is a list: write {here}[0] for its first item");
                                return refuse(&path, message, None);
                            }
                            return refuse(&path, format!("{here} has no fields: it is {}", kind(schema)), None);
                        };
                        return refuse(
                            &path,
                            "unknown field".to_owned(),
                            suggest::hint(key, known.keys().map(String::as_str)),
                        );
                    }
                };
                if !value.is_object() {
                    *value = Value::Object(Map::new());
                }
                value = &mut value[key.as_str()];
                here = path;
            }
            Segment::Index(index) => {
                let path = here.index(*index);
                if schema["type"] != "array" {
                    return refuse(&path, format!("{here} has no items: it is {}", kind(schema)), None);
                }
                if !value.is_array() {
                    *value = Value::Array(Vec::new());
                }
                let items = value.as_array_mut().expect("it was made one");
                if *index == items.len() {
                    items.push(Value::Null);
                }
                let length = items.len();
                let Some(item) = items.get_mut(*index) else {
                    let message =
                        format!("{here} has {}: [{index}] is neither one of them nor the next", count(length));
                    return refuse(&path, message, None);
                };
                (value, schema, here) = (item, &schema["items"], path);
            }
        }
    }
    *value = set.value.clone();
    if set.value.is_null() {
        remove(document, set.path.segments());
    }
    Ok(())
}

/// The whole path where only its end was given, `alpha` or `reward.alpha`; of several the one of what the object has already.
fn whole_path(document: &Value, end: &FieldPath, schema: &Value) -> Option<FieldPath> {
    let Segment::Key(first) = end.segments().first()? else { return None };
    if schema["properties"].get(first).is_some() {
        return None;
    }
    let mut found = Vec::new();
    places_of(first, schema, &FieldPath::default(), &mut found);
    let written = |parent: &FieldPath| parent.get(document).is_some();
    found.sort_by_key(|parent| (!written(parent), parent.segments().len()));
    let several = found.get(1).is_some_and(|second| written(second) == written(&found[0]));
    let parent = found.into_iter().next().filter(|_| !several)?;
    Some(end.segments().iter().fold(parent, |path, segment| match segment {
        Segment::Key(key) => path.key(key),
        Segment::Index(index) => path.index(*index),
    }))
}

/// Objects of the specification that have a field of this name.
fn places_of(name: &str, schema: &Value, here: &FieldPath, found: &mut Vec<FieldPath>) {
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        if key == name && !here.segments().is_empty() {
            found.push(here.clone());
        }
        let is_ours = !here.segments().is_empty() || key == "spec";
        // A pod has hundreds of fields of its own.
        if is_ours && below["properties"].is_object() && key != "podPatch" {
            places_of(name, below, &here.key(key), found);
        }
    }
}

/// Takes the field at `segments` away.
fn remove(document: &mut Value, segments: &[Segment]) {
    let Some((last, way)) = segments.split_last() else { return };
    let parent = way.iter().try_fold(document, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key),
        Segment::Index(index) => value.get_mut(index),
    });
    match (parent, last) {
        (Some(Value::Object(fields)), Segment::Key(key)) => {
            fields.remove(key);
        }
        (Some(Value::Array(items)), Segment::Index(index)) => {
            items.remove(*index);
        }
        _ => {}
    }
}

/// What a schema describes, in a few words.
fn kind(schema: &Value) -> &'static str {
    match schema["type"].as_str() {
        Some("object") => "an object",
        Some("array") => "a list",
        Some("string") => "text",
        Some("boolean") => "true or false",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        _ => "a number or text",
    }
}

fn error(argument: &str, field: String, message: String, hint: Option<String>) -> Box<SpecError> {
    let location = Location::Override { argument: argument.to_owned() };
    Box::new(SpecError { location, field, value: None, message, hint })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {
                        "seed": { "type": "integer" },
                        "train": {
                            "type": "array",
                            "items": { "type": "object", "properties": { "name": { "type": "string" } } },
                        },
                        "limits": { "type": "object", "additionalProperties": { "x-kubernetes-int-or-string": true } },
                    },
                },
            },
        })
    }

    fn set(document: Value, arguments: &[&str]) -> Result<Value, String> {
        let overrides: Result<Vec<_>, _> = arguments.iter().map(|argument| Override::parse(argument)).collect();
        let mut document = document;
        let overrides = overrides.map_err(|error| error.to_string())?;
        match apply(&mut document, &overrides, &schema()) {
            Ok(()) => Ok(document),
            Err(errors) => Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        }
    }

    #[test]
    fn the_end_of_a_path_is_answered_with_the_whole() {
        let said = |document: Value, argument: &str| set(document, &[argument]).unwrap_err();
        assert!(said(json!({}), "seed=3").ends_with("seed: unknown field (did you mean spec.seed?)"));
        assert!(said(json!({}), "train[0].name=a").ends_with("(did you mean spec.train[0].name?)"));
        assert!(
            said(json!({}), "sede=3").ends_with("(did you mean spec?)")
                || said(json!({}), "sede=3").contains("known fields")
        );
        let rl = |text: &str, argument: &str| {
            let error = crate::validate::parse_job(text, "job.yaml", &[argument.to_owned()]).unwrap_err();
            error.to_string()
        };
        let job = include_str!("../../../examples/quickstart.yaml");
        assert!(rl(job, "alpha=0.2").contains("did you mean spec.reward.alpha?"), "{}", rl(job, "alpha=0.2"));
        // Every algorithm has steps; this job has one algorithm.
        assert!(rl(job, "steps=2").contains("did you mean spec.algorithm.ppo.steps?"), "{}", rl(job, "steps=2"));
        assert!(rl(job, "ppo.steps=2").contains("did you mean spec.algorithm.ppo.steps?"));
    }

    #[test]
    fn fields_that_are_not_there_yet_are_made() {
        assert_eq!(set(json!({}), &["spec.seed=3"]).unwrap(), json!({ "spec": { "seed": 3 } }));
        assert_eq!(
            set(json!({}), &["spec.train[0].name=a", "spec.train[1].name=b"]).unwrap(),
            json!({ "spec": { "train": [{ "name": "a" }, { "name": "b" }] } })
        );
        assert_eq!(
            set(json!({}), &["spec.limits[\"nvidia.com/gpu\"]=8"]).unwrap(),
            json!({ "spec": { "limits": { "nvidia.com/gpu": 8 } } })
        );
    }

    #[test]
    fn null_takes_a_field_or_an_item_away() {
        let document = json!({ "spec": { "seed": 3, "train": [{ "name": "a" }, { "name": "b" }] } });
        assert_eq!(
            set(document, &["spec.seed=null", "spec.train[0]=null"]).unwrap(),
            json!({ "spec": { "train": [{ "name": "b" }] } })
        );
    }

    #[test]
    fn a_value_may_hold_an_equals_sign() {
        let document = set(json!({}), &["spec.train=[{name: \"bundled://x?count=3\"}]"]).unwrap();
        assert_eq!(document, json!({ "spec": { "train": [{ "name": "bundled://x?count=3" }] } }));
    }

    #[test]
    fn what_cannot_be_set_is_named() {
        for (argument, message) in [
            ("spec.seed", "there is no =: write it like spec.reward.alpha=0.5"),
            ("spec.seed=", "there is no value: write spec.seed=null to take the field away"),
            ("spec.sed=3", "spec.sed: unknown field (did you mean seed?)"),
            ("spec.seed.x=3", "spec.seed.x: spec.seed has no fields: it is a whole number"),
            ("spec.train[-1].name=a", "spec.train.-1: spec.train is a list: write spec.train[0] for its first item"),
            ("spec.train.0.name=a", "spec.train.0: spec.train is a list: write spec.train[0] for its first item"),
            ("spec.seed=1e400", "spec.seed: 1e400 is not allowed: numbers must be finite"),
            (
                "spec.seed=*a",
                "the value is not YAML: an alias (*name) repeats what is marked (&name) nowhere above it in the same document",
            ),
            ("spec.seed[0]=3", "spec.seed[0]: spec.seed has no items: it is a whole number"),
            ("spec.seed=.nan", "spec.seed: .nan is not allowed: numbers must be finite"),
            ("spec.limits={a: 1, a: 2}", "spec.limits: the field a is written twice: the first time in line 1"),
            ("spec.train[4].name=a", "spec.train[4]: spec.train has no items: [4] is neither one of them nor the next"),
            (
                "spec.=3",
                "\"spec.\" is not a path of fields: a field has no name; write it like spec.datasets.train[0].storageUri",
            ),
        ] {
            assert_eq!(set(json!({}), &[argument]).unwrap_err(), format!("--set {argument}: {message}"));
        }
    }
}
