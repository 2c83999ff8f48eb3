//! Low-rank adapters (Hu et al. 2021): y = x·Wᵀ + α/r · (x·Aᵀ)·Bᵀ. W stays as it is, A [r, in] and B [out, r] learn; B starts at 0.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use real_crds::config::{Lora, LoraTarget};
use tch::{Device, Kind, Tensor, no_grad};

use super::ModelConfig;
use super::parameters::Spec;

/// What adapters a decoder has, and where they are.
#[derive(Debug)]
pub(super) struct Adapters {
    pub(super) settings: Lora,
    /// By name (`model.layers.0.self_attn.q_proj.lora_A.weight`), 32 bits, in the order in which they are drawn.
    pub(super) named: Vec<(String, Tensor)>,
}

/// What a layer's matrices have beside them; none where nothing of them is adapted.
#[derive(Debug, Default)]
pub(super) struct LayerAdapters {
    pub(super) qkv: Option<Delta>,
    pub(super) output: Option<Delta>,
    pub(super) gate_up: Option<Delta>,
    pub(super) down: Option<Delta>,
}

/// The low-rank part of a matrix that is joined of several: for each its height and, where it is adapted, A and B.
#[derive(Debug)]
pub(super) struct Delta {
    scale: f64,
    parts: Vec<(i64, Option<(Tensor, Tensor)>)>,
}

impl Delta {
    /// What is added to the product of `x` [N, in] with the matrix.
    pub(super) fn of(&self, x: &Tensor) -> Tensor {
        let of_part = |(rows, pair): &(i64, Option<(Tensor, Tensor)>)| match pair {
            Some((a, b)) => x.linear(a, None::<&Tensor>).linear(b, None::<&Tensor>) * self.scale,
            None => Tensor::zeros([x.size()[0], *rows], (x.kind(), x.device())),
        };
        let parts: Vec<Tensor> = self.parts.iter().map(of_part).collect();
        if let [one] = parts.as_slice() { one.shallow_clone() } else { Tensor::cat(&parts, -1) }
    }

    /// The same in another type; gradients go through.
    fn to_kind(&self, kind: Kind) -> Self {
        let cast = |(rows, pair): &(i64, Option<(Tensor, Tensor)>)| {
            (*rows, pair.as_ref().map(|(a, b)| (a.to_kind(kind), b.to_kind(kind))))
        };
        Self { scale: self.scale, parts: self.parts.iter().map(cast).collect() }
    }
}

impl LayerAdapters {
    pub(super) fn to_kind(&self, kind: Kind) -> Self {
        let cast = |delta: &Option<Delta>| delta.as_ref().map(|delta| delta.to_kind(kind));
        Self { qkv: cast(&self.qkv), output: cast(&self.output), gate_up: cast(&self.gate_up), down: cast(&self.down) }
    }
}

/// `y` with what `delta` makes of `x`.
pub(super) fn adapted(y: Tensor, x: &Tensor, delta: Option<&Delta>) -> Tensor {
    match delta {
        Some(delta) => y + delta.of(x),
        None => y,
    }
}

/// The name of the module that a target is, as in checkpoints.
fn module(target: LoraTarget) -> &'static str {
    match target {
        LoraTarget::QProj => "self_attn.q_proj",
        LoraTarget::KProj => "self_attn.k_proj",
        LoraTarget::VProj => "self_attn.v_proj",
        LoraTarget::OProj => "self_attn.o_proj",
        LoraTarget::GateProj => "mlp.gate_proj",
        LoraTarget::UpProj => "mlp.up_proj",
        LoraTarget::DownProj => "mlp.down_proj",
    }
}

/// The name of a target in `target_modules`, as PEFT has it: the last part of the module's.
pub(super) fn short_name(target: LoraTarget) -> &'static str {
    let module = module(target);
    module.rsplit('.').next().unwrap_or(module)
}

/// Modules of the checkpoint that are adapted: name, height and width.
fn adapted_modules<'s>(specs: &'s [Spec], lora: &'s Lora) -> impl Iterator<Item = (&'s str, i64, i64)> {
    let of_target = |name: &str| lora.targets.iter().any(|target| name.ends_with(module(*target)));
    specs.iter().flat_map(|spec| &spec.parts).filter_map(move |(name, shape)| {
        let name = name.strip_suffix(".weight")?;
        let [rows, columns] = shape.as_slice() else { return None };
        of_target(name).then_some((name, *rows, *columns))
    })
}

/// Names and shapes of all adapters, in order.
pub(super) fn layout(specs: &[Spec], lora: &Lora) -> Vec<(String, Vec<i64>)> {
    let rank = lora.rank as i64;
    adapted_modules(specs, lora)
        .flat_map(|(name, rows, columns)| {
            [
                (format!("{name}.lora_A.weight"), vec![rank, columns]),
                (format!("{name}.lora_B.weight"), vec![rows, rank]),
            ]
        })
        .collect()
}

impl Adapters {
    /// Fresh ones, as PEFT draws them: A uniform within ±1/√in, B zero.
    pub(super) fn random(specs: &[Spec], settings: &Lora, seed: u64, device: Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let draw = |(name, shape): (String, Vec<i64>)| {
            let tensor = if name.ends_with("lora_B.weight") {
                Tensor::zeros(&shape, (Kind::Float, device))
            } else {
                let bound = 1.0 / (shape[1] as f32).sqrt();
                let count = shape.iter().product::<i64>();
                let values: Vec<f32> = (0..count).map(|_| rng.random_range(-bound..=bound)).collect();
                Tensor::from_slice(&values).reshape(&shape).to_device(device)
            };
            (name, tensor)
        };
        Self::of(settings, layout(specs, settings).into_iter().map(draw).collect())
    }

    /// These tensors, from now on leaves that gather gradients.
    pub(super) fn of(settings: &Lora, tensors: Vec<(String, Tensor)>) -> Self {
        let learns = |(name, tensor): (String, Tensor)| (name, tensor.detach().set_requires_grad(true));
        Self { settings: settings.clone(), named: tensors.into_iter().map(learns).collect() }
    }

    /// Others with the same values.
    pub(super) fn copy(&self) -> Self {
        let copies = self.named.iter().map(|(name, tensor)| (name.clone(), tensor.detach().copy()));
        Self::of(&self.settings, copies.collect())
    }

    fn scale(&self) -> f64 {
        self.settings.alpha / self.settings.rank as f64
    }

    fn pair(&self, module: &str) -> Option<(&Tensor, &Tensor)> {
        let of = |name: &str| self.named.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor);
        Some((of(&format!("{module}.lora_A.weight"))?, of(&format!("{module}.lora_B.weight"))?))
    }

    /// Those of the matrix that is our parameter `spec`.
    fn delta(&self, spec: &Spec) -> Option<Delta> {
        let pair = |name: &str| {
            let (a, b) = self.pair(name.strip_suffix(".weight")?)?;
            Some((a.shallow_clone(), b.shallow_clone()))
        };
        let parts: Vec<_> = spec.parts.iter().map(|(name, shape)| (shape[0], pair(name))).collect();
        parts.iter().any(|(_, pair)| pair.is_some()).then(|| Delta { scale: self.scale(), parts })
    }

    /// Those of each layer.
    pub(super) fn by_layer(&self, config: &ModelConfig, specs: &[Spec]) -> Vec<LayerAdapters> {
        let of = |layer: i64, name: &str| {
            let name = format!("model.layers.{layer}.{name}.weight");
            specs.iter().find(|spec| spec.name == name).and_then(|spec| self.delta(spec))
        };
        (0..config.num_hidden_layers)
            .map(|layer| LayerAdapters {
                qkv: of(layer, "self_attn.qkv_proj"),
                output: of(layer, "self_attn.o_proj"),
                gate_up: of(layer, "mlp.gate_up_proj"),
                down: of(layer, "mlp.down_proj"),
            })
            .collect()
    }

    /// The matrix W + α/r·B·A of parameter `spec`, as `kind`; `weight` itself where nothing of it is adapted.
    pub(super) fn merged(&self, spec: &Spec, weight: &Tensor, kind: Kind) -> Tensor {
        let Some(Delta { scale, parts }) = self.delta(spec) else { return weight.detach().to_kind(kind) };
        no_grad(|| {
            let merged = weight.detach().to_kind(Kind::Float).copy();
            let mut from = 0;
            for (rows, pair) in parts {
                if let Some((a, b)) = pair {
                    let _ = merged.narrow(0, from, rows).g_add_(&(b.matmul(&a) * scale));
                }
                from += rows;
            }
            merged.to_kind(kind)
        })
    }
}

impl ModelConfig {
    /// Numbers in the adapters of a decoder of this shape.
    pub fn adapter_parameters(&self, lora: &Lora) -> i64 {
        let sizes = layout(&super::parameters::layout(self), lora);
        sizes.iter().map(|(_, shape)| shape.iter().product::<i64>()).sum()
    }
}
