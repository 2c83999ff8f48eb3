//! "Did you mean …?"

/// Most edits between a word and the one that was perhaps meant, relative to its length.
const TOLERANCE: f64 = 0.4;

/// The candidate nearest to `word`, if any is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(edits, candidate)| {
            let length = word.chars().count().max(candidate.chars().count());
            (*edits as f64) <= (TOLERANCE * length as f64).max(1.0)
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Words of other trainers and tools, and what has their meaning here.
const ELSEWHERE: [(&str, &[&str]); 24] = [
    ("beta", &["klCoefficient"]),
    ("clipratio", &["clipRange"]),
    ("cliprange", &["clipRange"]),
    ("bfloat16", &["bf16"]),
    ("checkpoints", &["checkpoint"]),
    ("data", &["datasets"]),
    ("epsilon", &["clipRange"]),
    ("float32", &["f32"]),
    ("fp32", &["f32"]),
    ("gpu", &["cuda"]),
    ("lam", &["gaeLambda"]),
    ("learningrate", &["actorLearningRate", "learningRate"]),
    ("lr", &["actorLearningRate", "learningRate"]),
    ("maxcompletionlength", &["maxResponseTokens"]),
    ("maxnewtokens", &["maxResponseTokens"]),
    ("maxpromptlength", &["maxPromptTokens"]),
    ("maxresponselength", &["maxResponseTokens"]),
    ("maxsteps", &["steps"]),
    ("model", &["storageUri"]),
    ("n", &["samplesPerPrompt"]),
    ("numgenerations", &["samplesPerPrompt"]),
    ("path", &["storageUri"]),
    ("trainbatchsize", &["batchSize"]),
    ("uri", &["storageUri"]),
];

/// Shortest beginning of a word that stands for the word.
const SHORTEST_BEGINNING: usize = 4;

/// What a word stands for among the candidates: by its spelling, as its beginning, or in the language of another trainer.
pub(super) fn meant<'a>(word: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let folded = |word: &str| word.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let short = folded(word);
    let elsewhere = ELSEWHERE.iter().find(|(theirs, _)| *theirs == short).map_or(&[][..], |(_, ours)| *ours);
    if let Some(ours) = candidates.clone().find(|candidate| elsewhere.contains(candidate)) {
        return Some(ours);
    }
    nearest(word, candidates.clone()).or_else(|| {
        let mut begun = candidates.filter(|candidate| folded(candidate).starts_with(&short));
        let first = begun.next().filter(|_| short.len() >= SHORTEST_BEGINNING);
        first.filter(|_| begun.next().is_none())
    })
}

/// What of a word cannot be seen, such as the spaces that pages on the web have.
fn unseen(word: &str) -> Option<String> {
    let odd = word.chars().find(|c| !c.is_ascii() && !c.is_alphanumeric())?;
    Some(format!("it has the character U+{:04X} in it: type the name anew", u32::from(odd)))
}

/// A hint for a word that is not among `candidates`: the one that is meant, or all.
pub(super) fn hint<'a>(word: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(unseen) = unseen(word) {
        return Some(unseen);
    }
    if let Some(candidate) = meant(word, candidates.clone()) {
        return Some(format!("did you mean {candidate}?"));
    }
    let all: Vec<&str> = candidates.collect();
    (!all.is_empty()).then(|| format!("known fields: {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let fields = ["alpha", "penalty", "normalization"];
        assert_eq!(nearest("alpah", fields), Some("alpha"));
        assert_eq!(nearest("normalisation", fields), Some("normalization"));
        assert_eq!(nearest("Alpha", fields), Some("alpha"));
        assert_eq!(nearest("temperature", fields), None);
    }

    #[test]
    fn words_of_other_trainers_are_known() {
        let fields =
            ["actorLearningRate", "klCoefficient", "klHorizon", "resourcesPerNode", "samplesPerPrompt", "steps"];
        let meant = |word: &str| meant(word, fields.into_iter());
        for (theirs, ours) in [
            ("lr", "actorLearningRate"),
            ("learning_rate", "actorLearningRate"),
            ("kl_coef", "klCoefficient"),
            ("beta", "klCoefficient"),
            ("resources", "resourcesPerNode"),
            ("num_generations", "samplesPerPrompt"),
            ("max_steps", "steps"),
        ] {
            assert_eq!(meant(theirs), Some(ours), "{theirs}");
        }
        // Two fields begin so.
        assert_eq!((meant("kl"), meant("temperature"), meant("bf16")), (None, None, None));
    }

    #[test]
    fn what_cannot_be_seen_in_a_name_is_told() {
        let hint = |word: &str| hint(word, ["alpha"].into_iter()).unwrap();
        assert!(hint("alpha\u{a0}").contains("U+00A0") && hint("\u{200b}alpha").contains("U+200B"));
        assert_eq!(hint("alphé"), "did you mean alpha?");
    }
}
