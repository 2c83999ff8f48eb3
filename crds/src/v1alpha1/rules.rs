//! Rules that several types share. Each speaks to the person who wrote the field: what stands there, and what may.

use kube::core::{Message, Rule};

/// A text that names an object of Kubernetes (RFC 1123 subdomain).
pub(super) fn object_name() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')").message(
        Message::Expression(
            "'\"' + self + '\" is not a name: it must be lower-case letters, digits, - and ., and begin and end with a letter \
             or digit'"
                .into(),
        ),
    )
}

/// A text that names a `RewardPool`, after which Services are named (RFC 1035 label).
pub(super) fn pool_name() -> Rule {
    Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(Message::Expression(
        "'\"' + self + '\" is not the name of a RewardPool: it must be lower-case letters, digits and -, begin with a letter and \
         end with a letter or digit'"
            .into(),
    ))
}

/// AdamW's β₁ and β₂.
pub(super) fn betas() -> Rule {
    Rule::new("self.betas.all(beta, beta >= 0.0 && beta < 1.0)")
        .message("betas must each be at least 0 and less than 1")
        .field_path(".betas")
}

/// Warm-up is a part of the steps.
pub(super) fn warmup() -> Rule {
    Rule::new("self.warmupSteps <= self.steps")
        .message(Message::Expression(
            "'warmupSteps (%d) must not be more than steps (%d)'.format([self.warmupSteps, self.steps])".into(),
        ))
        .field_path(".warmupSteps")
}

/// An optimiser step learns from no more than a rollout. What is out of bounds anyway is left to the rule of its own field.
pub(super) fn mini_batch() -> Rule {
    Rule::new(
        "!has(self.miniBatchSize) || !has(self.samplesPerPrompt) || self.batchSize > 1000000 || self.samplesPerPrompt > 1024 \
         || self.miniBatchSize <= self.batchSize * self.samplesPerPrompt",
    )
    .message(Message::Expression(
        "'miniBatchSize (%d) must not be more than batchSize · samplesPerPrompt (%d)'\
         .format([self.miniBatchSize, self.batchSize * self.samplesPerPrompt])"
            .into(),
    ))
    .field_path(".miniBatchSize")
}

/// A folder inside a volume. It must not lead out of it.
pub(super) fn folder() -> Vec<Rule> {
    vec![
        Rule::new("!self.matches('(^|/)[.][.]?(/|$)')").message(Message::Expression(
            "'\"' + self + '\" must not have . or .. as a part: it is a folder inside the volume'".into(),
        )),
        Rule::new("self.matches('^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$')").message(Message::Expression(
            "'\"' + self + '\" is not a folder inside a volume, such as runs/a: its parts are letters, digits, ., _ and -'".into(),
        )),
    ]
}

/// An object is read by more people than a Secret is, and its URIs stand in pods, logs and events.
pub(super) fn no_credentials() -> Rule {
    Rule::new("!self.storageUri.matches('^[A-Za-z0-9]+://[^/?#]*@')")
        .message("storageUri must have no user and no password in it: whoever reads this object reads them; name a Secret as secretRef")
        .field_path(".storageUri")
}

/// Rules of a struct with a `storageUri`: a path or a URI that can be read.
pub(super) fn source() -> Vec<Rule> {
    let rule = |rule: &str, message: Message| Rule::new(rule).message(message).field_path(".storageUri");
    vec![
        rule(
            "self.storageUri.matches('^((bundled|file|hf|s3|gs|az|https|pvc)://.+|[^:]+)$')",
            "storageUri must be a path, or begin with bundled://, file://, hf://, s3://, gs://, az://, https:// or pvc://".into(),
        ),
        no_credentials(),
        rule(
            "!self.storageUri.matches('^(hf|s3|gs|az|https)://.*[[:space:][:cntrl:]]')",
            "storageUri must have no spaces: %20 stands for one".into(),
        ),
        rule(
            "!self.storageUri.startsWith('pvc://') \
                || self.storageUri.matches('^pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[^/]')",
            Message::Expression("'storageUri (\"' + self.storageUri + '\") must be pvc://CLAIM/PATH'".into()),
        ),
        rule(
            "!self.storageUri.startsWith('pvc://') || !self.storageUri.matches('/[.][.]?(/|$)')",
            Message::Expression(
                "'storageUri (\"' + self.storageUri + '\") must not have . or .. as a part: it is a place inside the claim'"
                    .into(),
            ),
        ),
    ]
}

/// An amount of a resource, as a number or as a text.
pub(super) fn quantity() -> Vec<Rule> {
    // No `type(self)`: not everything that evaluates these rules knows it. Numbers fail the first rule alone.
    vec![
        Rule::new("!string(self).startsWith('-')").message("a quantity must be at least 0"),
        Rule::new("string(self).startsWith('-') || isQuantity(string(self)) && !string(self).startsWith('+')").message(
            Message::Expression(
                "self.endsWith('B') || self.endsWith('b') \
                 ? '\"%s\" is not a quantity: did you mean %s?'.format([self, self.upperAscii().replace(' ', '').replace('B', '')\
                    .replace('I', 'i').replace('K', 'k').replace('ki', 'Ki')]) \
                 : '\"%s\" is not a quantity: write it like 500m, 2, 16G or 16Gi'.format([self])"
                    .into(),
            ),
        ),
    ]
}

/// A part of a byte: thousandths and less, by a suffix or an exponent.
const PART_OF_ONE: &str = "([num]|[eE]-[0-9]+)$";

/// An amount of bytes. `m` is a thousandth, and a unit was meant: no node ever starts a pod with half a byte.
pub(super) fn whole_bytes_of(what: &str, amount: &str) -> Rule {
    Rule::new(format!("!string({amount}).matches('{PART_OF_ONE}')"))
        .message(Message::Expression(less_than_one(what, amount)))
}

// What is part of one is text. The server takes text made of a number to be of any length, so it is not made text here.
fn less_than_one(what: &str, amount: &str) -> String {
    format!(
        "{amount}.endsWith('m') ? '{what} is in bytes, and %s are thousandths of one: did you mean %s?'\
            .format([{amount}, {amount}.replace('m', 'M')]) \
         : '{what} is in bytes, and %s is a part of one'.format([{amount}])"
    )
}

/// The same of memory and disk among the amounts of `field`.
pub(super) fn whole_bytes(field: &str) -> Rule {
    let given = |name: &str| format!("self.{field}['{name}']");
    let parts = |name: &str| format!("'{name}' in self.{field} && string({}).matches('{PART_OF_ONE}')", given(name));
    let (memory, disk) = (parts("memory"), parts("ephemeral-storage"));
    Rule::new(format!("!has(self.{field}) || !({memory} || {disk})"))
        .message(Message::Expression(format!(
            "'memory' in self.{field} && {}.matches('{PART_OF_ONE}') ? ({}) : ({})",
            given("memory"),
            less_than_one("memory", &given("memory")),
            less_than_one("ephemeral-storage", &given("ephemeral-storage"))
        )))
        .field_path(format!(".{field}"))
}

/// The name of a container image (the OCI distribution's grammar): `[HOST/]PATH[:TAG][@DIGEST]`.
pub(super) fn image() -> Rule {
    const WORD: &str = "[a-z0-9]+((_|__|-+|[.])[a-z0-9]+)*";
    const HOST: &str = "[A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]{1,5})?";
    Rule::new(format!(
        "self.matches('^({HOST}/)?{WORD}(/{WORD})*(:[A-Za-z0-9_][-A-Za-z0-9_.]*)?(@[a-z0-9]+:[0-9a-f]{{32,128}})?$')"
    ))
    .message(Message::Expression(
        "'\"' + self + '\" is not the name of an image: write it like ghcr.io/org/name:tag, in lower case, or with @sha256: and 64 \
         digits'"
            .into(),
    ))
}

/// Values of labels.
pub(super) fn label_values(field: &str) -> Rule {
    Rule::new(format!(
        "!has(self.{field}) || self.{field}.all(key, self.{field}[key].matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$'))"
    ))
    .message(Message::Message(format!(
        "values of {field} must be letters, digits, -, _ and ., and begin and end with a letter or digit"
    )))
    .field_path(format!(".{field}"))
}

/// Keys of labels. No object can have another, so that nothing would ever match it.
pub(super) fn label_keys(field: &str) -> Rule {
    Rule::new(format!(
        "!has(self.{field}) || self.{field}.all(key, \
         key.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$'))"
    ))
    .message(Message::Message(format!(
        "keys of {field} must be letters, digits, -, _ and ., with a domain and / in front where they have one"
    )))
    .field_path(format!(".{field}"))
}
