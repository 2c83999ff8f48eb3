//! From logits to tokens.

use tch::{Kind, Tensor};

/// How a distribution is changed before a token is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampler {
    /// Logits are divided by it; 0 takes the most probable token.
    pub(super) temperature: f64,
    /// Smallest set of most probable tokens that has this probability; 1 for all.
    pub(super) top_p: f64,
    /// Number of most probable tokens; 0 for all.
    pub(super) top_k: i64,
}

/// A vocabulary cut into blocks, so that a token is found by its block first: two short sums instead of a running one over all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Tokens.
    tokens: i64,
    /// Tokens of a block; the last may have less, and then there are places without a token.
    block: i64,
}

impl Blocks {
    /// Of so many tokens: about as many blocks as a block has tokens.
    pub(super) fn of(tokens: i64) -> Self {
        let root = (tokens as f64).sqrt().ceil() as i64;
        Self { tokens, block: (root + 31) / 32 * 32 }
    }

    /// How many there are.
    pub(super) fn tokens(self) -> i64 {
        self.tokens
    }

    /// Places, with and without a token.
    pub(super) fn width(self) -> i64 {
        (self.tokens + self.block - 1) / self.block * self.block
    }
}

/// A draw within a block stays below the block's sum, whichever way the two are rounded.
const BELOW_ONE: f64 = 1.0 - 1.0 / 4_194_304.0;

impl Sampler {
    /// Whether tokens are drawn at random.
    pub(super) fn is_random(&self) -> bool {
        self.temperature > 0.0
    }

    /// The most probable tokens [B] by `logits` [B, width].
    pub(super) fn best(logits: &Tensor) -> Tensor {
        logits.argmax(-1, false)
    }

    /// Tokens [B] and their log-probabilities [B], from `logits` [B, width], −∞ where no token is, and for each row a number in
    /// [0, 1), `uniform` [B, 1]. Log-probabilities are those of the distribution at the temperature, before `top_p` and `top_k`.
    ///
    /// Both `logits` and `probabilities` [B, width] are overwritten.
    pub(super) fn draw(
        &self,
        logits: &Tensor,
        probabilities: &Tensor,
        blocks: Blocks,
        uniform: &Tensor,
    ) -> (Tensor, Tensor) {
        if (self.temperature - 1.0).abs() > f64::EPSILON {
            let _ = logits.shallow_clone().g_div_scalar_(self.temperature);
        }
        let _ = logits.internal_softmax_out(probabilities, -1, false);
        self.filter(probabilities, blocks.tokens);

        // The inverse of the cumulative distribution: the first token whose cumulative probability exceeds the draw. The sum
        // over all is what rounding and filters leave of 1.
        let by_block = probabilities.view([-1, blocks.width() / blocks.block, blocks.block]);
        let sums = by_block.sum_dim_intlist([-1].as_slice(), false, Kind::Float).cumsum(-1, Kind::Float);
        let last = sums.size()[1] - 1;
        let drawn = uniform * sums.narrow(1, last, 1);
        let block = exceeding(&sums, &drawn).clamp_max(last);
        let before = sums.gather(1, &(&block - 1).clamp_min(0), false) * block.gt(0);
        let places = block.unsqueeze(-1).expand([-1, 1, blocks.block], false);
        let within = by_block.gather(1, &places, false).squeeze_dim(1).cumsum(-1, Kind::Float);
        let most = within.narrow(1, blocks.block - 1, 1) * BELOW_ONE;
        let place = exceeding(&within, &(drawn - before).minimum(&most));
        let tokens = (block * blocks.block + place).clamp_max(blocks.tokens - 1);
        let log_probs = probabilities.gather(1, &tokens, false).log();
        (tokens.squeeze_dim(1), log_probs.squeeze_dim(1))
    }

    /// Zeroes the probabilities [B, width] of tokens outside `top_k` and `top_p`. Tokens as probable as the last one in stay.
    fn filter(&self, probabilities: &Tensor, vocabulary: i64) {
        let drop = |dropped: &Tensor| {
            let _ = probabilities.shallow_clone().masked_fill_(dropped, 0.0);
        };
        if (1..vocabulary).contains(&self.top_k) {
            let (top, _) = probabilities.topk(self.top_k, -1, true, true);
            let least = top.narrow(1, self.top_k - 1, 1);
            drop(&probabilities.lt_tensor(&least));
        }
        if self.top_p < 1.0 {
            let (sorted, _) = probabilities.sort(-1, true);
            let sums = sorted.cumsum(-1, Kind::Float);
            let wanted = sums.narrow(1, sums.size()[1] - 1, 1) * self.top_p;
            // A token belongs to the nucleus where those before it do not suffice; the first always does.
            let inside = (&sums - &sorted).lt_tensor(&wanted);
            let least = sorted.masked_fill(&inside.logical_not(), f64::INFINITY).amin([-1i64], true);
            drop(&probabilities.lt_tensor(&least));
        }
    }
}

/// The first place in each row of `sums` [B, n] with more than `drawn` [B, 1]; n where there is none.
fn exceeding(sums: &Tensor, drawn: &Tensor) -> Tensor {
    drawn.searchsorted(sums, false, true, "right", None::<&Tensor>)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(sampler: Sampler, probabilities: &[f32], uniform: f32) -> i64 {
        let blocks = Blocks::of(probabilities.len() as i64);
        let logits = Tensor::full([1, blocks.width()], f64::NEG_INFINITY, (Kind::Float, tch::Device::Cpu));
        logits.narrow(1, 0, probabilities.len() as i64).copy_(&Tensor::from_slice(probabilities).log().unsqueeze(0));
        let uniform = Tensor::from_slice(&[uniform]).unsqueeze(1);
        let (tokens, log_probs) = sampler.draw(&logits, &logits.zeros_like(), blocks, &uniform);
        let token = tokens.int64_value(&[0]);
        if (sampler.temperature - 1.0).abs() < f64::EPSILON {
            let all: f32 = probabilities.iter().sum();
            let expected = f64::from((probabilities[token as usize] / all).ln());
            assert!((log_probs.double_value(&[0]) - expected).abs() < 1e-5);
        }
        token
    }

    #[test]
    fn a_draw_falls_where_the_cumulative_probability_says() {
        let all = Sampler { temperature: 1.0, top_p: 1.0, top_k: 0 };
        let p = [0.25, 0.0, 0.5, 0.25];
        assert_eq!(drawn(all, &p, 0.0), 0);
        assert_eq!(drawn(all, &p, 0.249), 0);
        assert_eq!(drawn(all, &p, 0.251), 2, "an impossible token is skipped");
        assert_eq!(drawn(all, &p, 0.749), 2);
        assert_eq!(drawn(all, &p, 0.999_999), 3);
    }

    #[test]
    fn over_many_blocks_a_draw_falls_where_one_running_sum_says_and_never_on_the_impossible() {
        let all = Sampler { temperature: 1.0, top_p: 1.0, top_k: 0 };
        // 1,500 tokens are 24 blocks of 64, the last with 28 tokens; every third is impossible, and so are two whole blocks.
        let possible = |i: usize| i % 3 != 1 && !(128..256).contains(&i);
        let weights: Vec<f32> = (0..1500).map(|i| if possible(i) { 1.0 + (i % 7) as f32 } else { 0.0 }).collect();
        let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
        for draw in 0..400 {
            let uniform = draw as f32 / 400.0;
            let token = drawn(all, &weights, uniform) as usize;
            let before: f64 = weights[..token].iter().map(|w| f64::from(*w)).sum();
            let (low, high) = (before / total, (before + f64::from(weights[token])) / total);
            assert!(possible(token), "{uniform}: token {token}");
            assert!(
                low - 1e-5 <= f64::from(uniform) && f64::from(uniform) <= high + 1e-5,
                "{uniform}: {low} to {high}"
            );
        }
        // The largest number that there is to draw, and a last block with nothing in it.
        let most = (f64::from(1_u32 << 22) - 1.0) / f64::from(1_u32 << 22);
        let mut first = vec![0.0; 1500];
        first[70] = 1.0;
        assert_eq!(drawn(all, &first, most as f32), 70);
        assert_eq!(drawn(all, &first, 0.0), 70);
    }

    #[test]
    fn top_k_and_top_p_leave_the_most_probable_tokens() {
        let p = [0.1, 0.4, 0.2, 0.3];
        let two = Sampler { temperature: 1.0, top_p: 1.0, top_k: 2 };
        let nucleus = Sampler { temperature: 1.0, top_p: 0.65, top_k: 0 };
        for sampler in [two, nucleus] {
            let tokens: Vec<i64> = (0..100).map(|i| drawn(sampler, &p, i as f32 / 100.0)).collect();
            assert!(tokens.iter().all(|t| [1, 3].contains(t)), "{sampler:?}: {tokens:?}");
            assert!(tokens.contains(&1) && tokens.contains(&3), "{sampler:?}: {tokens:?}");
        }
    }

    #[test]
    fn a_lower_temperature_sharpens_what_is_drawn() {
        let p = [0.4, 0.6];
        let shares: Vec<usize> = [1.0, 0.25]
            .iter()
            .map(|&temperature| {
                let sampler = Sampler { temperature, top_p: 1.0, top_k: 0 };
                (0..1000).filter(|&i| drawn(sampler, &p, i as f32 / 1000.0) == 1).count()
            })
            .collect();
        // .6 and .6⁴ / (.6⁴ + .4⁴) = .835
        assert!(shares[0].abs_diff(600) <= 1 && shares[1].abs_diff(835) <= 1, "{shares:?}");
    }
}
