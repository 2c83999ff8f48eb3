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

/// Rules of a struct with a `storageUri`: a path or a URI that can be read.
pub(super) fn source() -> Vec<Rule> {
    let rule = |rule: &str, message: Message| Rule::new(rule).message(message).field_path(".storageUri");
    vec![
        rule(
            "self.storageUri.matches('^((bundled|file|hf|s3|https|pvc)://.+|[^:]+)$')",
            "storageUri must be a path, or begin with bundled://, file://, hf://, s3://, https:// or pvc://".into(),
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

/// Memory and disk are in bytes, and `m` is a thousandth: a unit is meant. No node ever starts a pod with half a byte.
pub(super) fn whole_bytes(field: &str) -> Rule {
    let amount = |name: &str| format!("'{name}' in self.{field} && string(self.{field}['{name}']).endsWith('m')");
    let given = format!("self.{field}['memory']");
    Rule::new(format!("!has(self.{field}) || !({} || {})", amount("memory"), amount("ephemeral-storage")))
        .message(Message::Expression(format!(
            "'memory' in self.{field} && string({given}).endsWith('m') \
             ? 'memory is in bytes, and %s are thousandths of one: did you mean %s?'\
                .format([string({given}), string({given}).replace('m', 'M')]) \
             : 'ephemeral-storage is in bytes, and m are thousandths of one: did you mean M?'"
        )))
        .field_path(format!(".{field}"))
}
