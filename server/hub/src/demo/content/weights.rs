//! Random weights and the files that hold them: seeded values, safetensors shards and the index over them.
//!
//! Which tensors an architecture has, and how they are shaped, is the business of the model modules.

use std::{borrow::Cow, collections::HashMap};

use safetensors::{Dtype, View};
use serde_json::{Map, Value, json};

use super::json_file;

/// Standard deviation of the drawn values; the `initializer_range` of the configurations.
const STANDARD_DEVIATION: f32 = 0.02;

/// One named tensor of 32-bit floats. (Not bfloat16, which NumPy cannot read.)
pub(super) struct Tensor {
    name: String,
    shape: Vec<usize>,
    /// Little-endian, as the file holds them.
    values: Vec<[u8; 4]>,
}

impl Tensor {
    /// Values near a normal distribution around zero. They depend on `seed` and `name` alone, so that adding a tensor
    /// to a model leaves the others as they were.
    pub(super) fn random(seed: u64, name: String, shape: &[usize]) -> Self {
        let mut draw = SplitMix64::new(seed, &name);
        let values = (0..shape.iter().product()).map(|_| draw.normal(STANDARD_DEVIATION).to_le_bytes()).collect();
        Self { name, shape: shape.to_vec(), values }
    }

    /// A vector of ones: the scale of a normalisation layer before any training.
    pub(super) fn ones(name: String, length: usize) -> Self {
        Self { name, shape: vec![length], values: vec![1.0_f32.to_le_bytes(); length] }
    }

    /// The name under which a checkpoint holds it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Moves every value a little, as a fine-tune would.
    pub(super) fn nudge(&mut self, seed: u64) {
        let mut draw = SplitMix64::new(seed, &self.name);
        for value in &mut self.values {
            let moved = f32::from_le_bytes(*value) + draw.normal(STANDARD_DEVIATION / 10.0);
            *value = moved.to_le_bytes();
        }
    }

    fn size_bytes(&self) -> usize {
        self.values.as_flattened().len()
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.values.as_flattened())
    }

    fn data_len(&self) -> usize {
        self.size_bytes()
    }
}

/// How many parameters the tensors hold together.
pub(super) fn parameter_count(tensors: &[Tensor]) -> usize {
    tensors.iter().map(|tensor| tensor.values.len()).sum()
}

/// The shards and the index of a checkpoint, cut in the given order so that no shard exceeds `shard_bytes_max`.
pub(super) fn files(tensors: &[Tensor], shard_bytes_max: usize) -> Vec<(String, Vec<u8>)> {
    let shards = cut(tensors, shard_bytes_max);
    let mut files = Vec::with_capacity(shards.len() + 1);
    let mut places: Vec<(&str, String)> = Vec::with_capacity(tensors.len());
    for (number, shard) in (1..).zip(&shards) {
        let path = format!("model-{number:05}-of-{:05}.safetensors", shards.len());
        places.extend(shard.iter().map(|tensor| (tensor.name(), path.clone())));
        files.push((path, serialize(shard)));
    }
    places.sort();
    let weight_map: Map<String, Value> =
        places.into_iter().map(|(name, path)| (name.to_owned(), Value::String(path))).collect();
    let total_size: usize = tensors.iter().map(Tensor::size_bytes).sum();
    let index = json!({
        "metadata": { "total_parameters": parameter_count(tensors), "total_size": total_size },
        "weight_map": weight_map,
    });
    files.push(json_file("model.safetensors.index.json", &index));
    files
}

fn cut(tensors: &[Tensor], shard_bytes_max: usize) -> Vec<Vec<&Tensor>> {
    let mut shards = Vec::new();
    let mut shard: Vec<&Tensor> = Vec::new();
    let mut shard_bytes = 0;
    for tensor in tensors {
        if shard_bytes + tensor.size_bytes() > shard_bytes_max && !shard.is_empty() {
            shards.push(std::mem::take(&mut shard));
            shard_bytes = 0;
        }
        shard_bytes += tensor.size_bytes();
        shard.push(tensor);
    }
    shards.push(shard);
    shards
}

fn serialize(shard: &[&Tensor]) -> Vec<u8> {
    // One key only: the crate writes this map in hash order, and more would make the bytes differ from run to run.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    #[expect(clippy::expect_used, reason = "only a header above 100 MB or overflowing sizes are refused")]
    safetensors::serialize(shard.iter().map(|tensor| (tensor.name(), *tensor)), Some(metadata))
        .expect("a few hundred small tensors make a valid safetensors file")
}

/// Steele, Lea and Flood's SplitMix64: a few lines, and the same numbers everywhere.
struct SplitMix64(u64);

impl SplitMix64 {
    fn new(seed: u64, name: &str) -> Self {
        // FNV-1a over the name sets the streams of one seed apart.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(seed ^ hash)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The sum of four uniform 16-bit numbers stands for the normal distribution: integers and one multiplication,
    /// where logarithm and cosine would round differently from one platform to the next.
    fn normal(&mut self, standard_deviation: f32) -> f32 {
        const MEAN: f32 = 131_070.0;
        const DEVIATION: f32 = 37_837.227;
        let bits = self.next();
        let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        (sum as f32 - MEAN) * (standard_deviation / DEVIATION)
    }
}

#[cfg(test)]
mod tests {
    use super::{SplitMix64, Tensor, cut};

    #[test]
    fn the_generator_gives_the_published_numbers() {
        let mut draw = SplitMix64(1_234_567);

        let numbers = [draw.next(), draw.next(), draw.next()];

        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn values_have_the_promised_mean_and_deviation() {
        let tensor = Tensor::random(1, "w".to_owned(), &[100, 1000]);
        let values: Vec<f64> = tensor.values.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect();

        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;

        assert!(mean.abs() < 0.0005, "{mean}");
        assert!((variance.sqrt() - 0.02).abs() < 0.0005, "{}", variance.sqrt());
    }

    #[test]
    fn shards_stay_below_their_limit_and_lose_no_tensor() {
        let tensors: Vec<Tensor> = (1..=9).map(|n| Tensor::ones(format!("t{n}"), n)).collect();

        let shards = cut(&tensors, 40);

        assert!(shards.iter().all(|shard| shard.iter().map(|tensor| tensor.size_bytes()).sum::<usize>() <= 40));
        assert!(shards.iter().flatten().map(|tensor| tensor.name()).eq(tensors.iter().map(Tensor::name)));
    }
}
