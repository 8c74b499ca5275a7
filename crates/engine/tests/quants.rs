//! Every storage type against values made by `scripts/golden_quants.py` with the gguf package.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::path::Path;

use autodidact_engine::gguf::{GgufFile, TensorType};

const TYPES: [TensorType; 11] = [
    TensorType::F32,
    TensorType::F16,
    TensorType::BF16,
    TensorType::Q4_0,
    TensorType::Q4_1,
    TensorType::Q5_0,
    TensorType::Q5_1,
    TensorType::Q8_0,
    TensorType::Q4_K,
    TensorType::Q5_K,
    TensorType::Q6_K,
];

#[test]
fn every_type_dequantizes_to_the_reference_s_values() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/quants.gguf");
    let file = GgufFile::open(&path).unwrap();
    assert_eq!(file.tensor_count(), 2 * TYPES.len());
    for tensor_type in TYPES {
        let name = format!("{tensor_type:?}").to_lowercase();
        let stored = file.tensor(&format!("{name}.stored")).unwrap();
        assert_eq!(stored.tensor_type, tensor_type);
        let expected = file.read(file.tensor(&format!("{name}.expected")).unwrap());
        let ours = file.read(stored);
        assert_eq!(ours.len(), 6 * 256);
        // The same bits, but that adding zero lets the two zeros pass for each other.
        let bits = |x: f32| (x + 0.0).to_bits();
        for (at, (a, b)) in ours.iter().zip(&expected).enumerate() {
            assert!(
                bits(*a) == bits(*b),
                "{name}, weight {at}: {a:e} instead of {b:e}"
            );
        }
        let mut rows = vec![0.0; 2 * 256];
        file.read_rows(stored, 3, 2, &mut rows);
        assert_eq!(rows, expected[3 * 256..5 * 256], "{name}: rows 3 and 4");
    }
}
