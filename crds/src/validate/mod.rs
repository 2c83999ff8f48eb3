//! What the API server would say about a file, without an API server.
//!
//! The order is the server's: unknown fields, types and bounds by the definition's own schema, defaults, then every rule.
//! Unlike the server, all errors are reported at once, each with its line.

mod cel;
mod dialect;
mod error;
mod kinds;
mod locate;
mod meant;
mod metadata;
mod overrides;
mod path;
mod schema;
mod suggest;
mod yaml;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use error::{Location, SpecError, SpecErrors};
pub use path::{FieldPath, PathError, Segment};
pub use suggest::nearest;
pub use yaml::documents;

use cel::Violation;
use kinds::{Kind, Recognized};
use locate::Positions;
use schema::Misfit;

use crate::v1alpha1::{RealEvalSweep, RealTrainingJob, RewardPool};
use overrides::Override;

/// An object of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub enum Resource {
    /// A training run.
    TrainingJob(Box<RealTrainingJob>),
    /// Detectors and sandboxes.
    RewardPool(Box<RewardPool>),
    /// Evaluations.
    EvalSweep(Box<RealEvalSweep>),
    /// An object of another API, not validated.
    Foreign {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
}

/// Reads the only `RealTrainingJob` of `text`, the content of `file`, with `overrides` (`spec.path=value`) applied to it.
///
/// # Errors
///
/// Everything the API server would refuse, and a manifest with no `RealTrainingJob` or several.
pub fn parse_job(text: &str, file: &str, overrides: &[String]) -> Result<RealTrainingJob, SpecErrors> {
    only(parse_manifest(text, file, overrides)?, file, "RealTrainingJob", "run", |resource| match resource {
        Resource::TrainingJob(job) => Some(*job),
        _ => None,
    })
}

/// Reads the only `RealEvalSweep` of `text`, the content of `file`.
///
/// # Errors
///
/// Everything the API server would refuse, and a manifest with no `RealEvalSweep` or several.
pub fn parse_sweep(text: &str, file: &str) -> Result<RealEvalSweep, SpecErrors> {
    only(parse_manifest(text, file, &[])?, file, "RealEvalSweep", "evaluated", |resource| match resource {
        Resource::EvalSweep(sweep) => Some(*sweep),
        _ => None,
    })
}

/// The command that takes a resource of a kind.
fn instead(kind: &str, file: &str) -> Option<String> {
    let file = real_terminal::shell_word(std::path::Path::new(file));
    match kind {
        "RealTrainingJob" => Some(format!("real run {file} runs it")),
        "RealEvalSweep" => Some(format!("real eval {file} evaluates it")),
        "RewardPool" => {
            Some(format!("kubectl apply -f {file} makes it on a cluster; on a laptop `real run` judges answers itself"))
        }
        _ => None,
    }
}

/// The only resource of a kind.
fn only<T>(
    resources: Vec<Resource>,
    file: &str,
    kind: &str,
    done: &str,
    choose: impl Fn(Resource) -> Option<T>,
) -> Result<T, SpecErrors> {
    let others: Vec<String> = resources.iter().map(Resource::kind).map(str::to_owned).collect();
    let mut jobs = resources.into_iter().filter_map(choose);
    let whole = |message| {
        SpecErrors(vec![SpecError {
            location: Location::Whole { file: file.to_owned() },
            field: String::new(),
            value: None,
            message,
            hint: None,
        }])
    };
    match (jobs.next(), jobs.count()) {
        (Some(job), 0) => Ok(job),
        (None, _) if others.iter().any(|kind| kind == "List") => {
            Err(whole("is a List: write each of its items as a document of its own, with --- between them".to_owned()))
        }
        (None, _) if others.is_empty() => Err(whole(format!("is empty: there is no {kind}"))),
        (None, _) => {
            let mut errors = whole(format!("there is no {kind}, only {}", others.join(", ")));
            errors.0.iter_mut().for_each(|error| error.hint = others.iter().find_map(|other| instead(other, file)));
            Err(errors)
        }
        (Some(_), more) => Err(whole(format!("there are {} {kind}s, but only one can be {done}", more + 1))),
    }
}

/// Where `field` (`spec.model.storageUri`) of the `RealTrainingJob` of `text` was written, for what is found to be wrong
/// after validation; the whole file where that cannot be said.
pub fn locate_field(text: &str, file: &str, overrides: &[String], field: &str) -> Location {
    let whole = || Location::Whole { file: file.to_owned() };
    let Ok(path) = FieldPath::parse(field) else { return whole() };
    let overrides: Vec<Override> = overrides.iter().filter_map(|text| Override::parse(text).ok()).collect();
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_default();
    let mut positions = documents.iter().zip(locate::positions(text));
    let job = positions.find(|(document, _)| document["kind"] == "RealTrainingJob");
    job.map_or_else(whole, |(_, positions)| Source { file, positions, overrides: &overrides }.locate(&path, false))
}

/// Reads all objects of `text`, the content of `file`, with `overrides` (`spec.path=value`) applied to each
/// `RealTrainingJob`.
///
/// # Errors
///
/// Everything the API server would refuse.
pub fn parse_manifest(text: &str, file: &str, overrides: &[String]) -> Result<Vec<Resource>, SpecErrors> {
    let documents = yaml::documents(text, file)?;
    let overrides = overrides.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>, _>>();
    let overrides = overrides.map_err(|error| SpecErrors(vec![*error]))?;
    let mut positions = locate::positions(text).into_iter();
    let mut resources = Vec::new();
    let mut errors = Vec::new();
    for document in documents {
        let source = Source { file, positions: positions.next().unwrap_or_default(), overrides: &overrides };
        match resource(document, source) {
            Ok(resource) => resources.push(resource),
            Err(mut found) => errors.append(&mut found),
        }
    }
    if errors.is_empty() {
        return Ok(resources);
    }
    errors.sort_by(|a, b| a.location.cmp(&b.location));
    Err(SpecErrors(errors))
}

impl Resource {
    /// The object's kind.
    pub fn kind(&self) -> &str {
        match self {
            Self::TrainingJob(_) => "RealTrainingJob",
            Self::RewardPool(_) => "RewardPool",
            Self::EvalSweep(_) => "RealEvalSweep",
            Self::Foreign { kind, .. } => kind,
        }
    }
}

/// Where a document's fields come from.
struct Source<'a> {
    file: &'a str,
    positions: Positions,
    overrides: &'a [Override],
}

impl Source<'_> {
    fn locate(&self, path: &FieldPath, at_key: bool) -> Location {
        // The last override wins, so it is the one to blame.
        if let Some(set) = self.overrides.iter().rev().find(|set| path.starts_with(&set.path)) {
            return set.location();
        }
        let (line, column) = if at_key { self.positions.key(path) } else { self.positions.value(path) };
        Location::File { file: self.file.to_owned(), line, column }
    }

    fn violation(&self, violation: Violation, document: &Value) -> SpecError {
        let Violation { mut path, message } = violation;
        let field = path.to_string();
        if path.segments().is_empty() {
            // A rule about a whole object can only be about its name: the server shows it nothing else of the metadata.
            path = path.key("metadata").key("name");
        }
        // A rule about an object is broken by an override of any of its fields.
        let set = self.overrides.iter().rev().find(|set| set.path.starts_with(&path));
        let location = set.map_or_else(|| self.locate(&path, false), Override::location);
        SpecError { location, field, value: path.get(document).cloned(), message, hint: None }
    }

    fn error(&self, path: &FieldPath, message: String) -> SpecError {
        SpecError { location: self.locate(path, false), field: path.to_string(), value: None, message, hint: None }
    }
}

fn resource(mut document: Value, mut source: Source<'_>) -> Result<Resource, Vec<SpecError>> {
    let root = FieldPath::default();
    if !document.is_object() {
        let message = format!(
            "must be an object with apiVersion, kind, metadata and spec, but is {}",
            real_terminal::described(&document)
        );
        return Err(vec![source.error(&root, message)]);
    }
    let kind = match kinds::recognize(&document) {
        Recognized::Ours(kind) => kind,
        Recognized::Foreign(api_version, kind) => return Ok(Resource::Foreign { api_version, kind }),
        Recognized::Wrong(field, message, hint) => {
            let path = root.key(field);
            let value = document.get(field).cloned();
            return Err(vec![SpecError { value, hint, ..source.error(&path, message) }]);
        }
    };
    // As the server does on creation: what is not the user's to say is dropped.
    document.as_object_mut().map(|fields| fields.remove("status"));
    if kind.name != "RealTrainingJob" {
        source.overrides = &[];
    }
    overrides::apply(&mut document, source.overrides, &kind.schema)?;
    if let Some(set) =
        source.overrides.iter().find(|set| matches!(set.path.to_string().as_str(), "apiVersion" | "kind"))
    {
        let message = format!("cannot be changed: the document is a {}", kind.name);
        return Err(vec![SpecError { location: set.location(), ..source.error(&set.path, message) }]);
    }
    let errors = check(kind, &mut document, &source);
    if !errors.is_empty() {
        return Err(errors);
    }
    match kind.name.as_str() {
        "RealTrainingJob" => typed(document, &source).map(Resource::TrainingJob),
        "RewardPool" => typed(document, &source).map(Resource::RewardPool),
        _ => typed(document, &source).map(Resource::EvalSweep),
    }
}

/// Whether a rule about an object may fail only because a value in that object is not allowed, which is reported already.
fn is_consequence(violation: &Violation, misfits: &[Misfit], document: &Value) -> bool {
    let is_object = violation.path.get(document).is_some_and(Value::is_object);
    let object = if is_object { Some(violation.path.clone()) } else { violation.path.parent() };
    let Some(object) = object.filter(|object| !object.segments().is_empty()) else { return false };
    misfits.iter().any(|misfit| !misfit.at_key && misfit.path.starts_with(&object))
}

/// Checks `document` by its definition and fills in defaults.
fn check(kind: &Kind, document: &mut Value, source: &Source<'_>) -> Vec<SpecError> {
    let misfits = schema::check(&kind.schema, document);
    let violations = cel::check(&kind.schema, document, None, misfits.is_empty());
    let violations: Vec<SpecError> = violations
        .into_iter()
        .filter(|violation| !is_consequence(violation, &misfits, document))
        .map(|violation| source.violation(violation, document))
        .collect();
    let misfits = misfits.into_iter().map(|misfit| SpecError {
        location: source.locate(&misfit.path, misfit.at_key),
        field: misfit.path.to_string(),
        value: misfit.value,
        message: misfit.message,
        hint: misfit.hint,
    });
    misfits.chain(violations).collect()
}

fn typed<T: DeserializeOwned>(document: Value, source: &Source<'_>) -> Result<Box<T>, Vec<SpecError>> {
    serde_json::from_value(document).map(Box::new).map_err(|error| {
        let message = format!("fits its definition but not its type, which is a bug of ours: {error}");
        vec![source.error(&FieldPath::default(), message)]
    })
}
