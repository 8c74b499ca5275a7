//! Weights of a run of the real loop: adapters, merged models, and what Ollama is told.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use autodidact_engine::gguf::TensorType;
use autodidact_engine::{Adapter, Model};
use autodidact_export::{
    ExportError, Folder, Format, Kind, Manifest, RunFacts, WeightsKind, WeightsRequest,
    export_data, export_weights,
};
use autodidact_store::RunStore;
use common::tiny_run::{model_file, tiny_run};
use common::{files, masked, request, rows};
use serde_json::Value;

async fn export(
    run: &Path,
    store: &RunStore,
    kind: WeightsKind,
    stored: TensorType,
    out: &Path,
) -> Result<Manifest, ExportError> {
    let facts = RunFacts::read(store, "tiny").await?;
    let base = model_file();
    let request = WeightsRequest {
        kind,
        iteration: Some(1),
        stored,
        run,
        base: &base,
        model: Arc::new(Model::open(&base)?),
        threads: 2,
    };
    export_weights(&facts, &request, Folder::begin(out, false)?)
}

/// The training text of a loop is what `sft` gives for it, but for the order.
#[tokio::test(flavor = "multi_thread")]
async fn exported_samples_are_those_that_were_trained_on() {
    let run = tempfile::tempdir().unwrap();
    let store = tiny_run(run.path(), "lora").await;
    let facts = RunFacts::read(&store, "tiny").await.unwrap();
    let out = run.path().join("out");
    for n in [1, 2] {
        let wanted = autodidact_export::DataRequest {
            iteration: Some(n),
            ..request(Kind::Sft, Format::Trl)
        };
        let folder = Folder::begin(&out, true).unwrap();
        export_data(&store, &facts, &wanted, folder).await.unwrap();
        let pairs = |path: &Path| {
            let pair = |row: &Value| (row["prompt"].to_string(), row["completion"].to_string());
            let mut pairs: Vec<_> = rows(path).iter().map(pair).collect();
            pairs.sort();
            pairs
        };
        let exported = pairs(&out.join("train.jsonl"));
        assert!(!exported.is_empty());
        let trained = pairs(&run.path().join(format!("training/{n}.jsonl")));
        assert_eq!(exported, trained, "loop {n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_and_merged_models_compute_what_was_trained() {
    let run = tempfile::tempdir().unwrap();
    let store = tiny_run(run.path(), "lora").await;
    let out = |name: &str| run.path().join(name);
    let (adapter, f32) = (WeightsKind::Adapter, TensorType::F32);
    let manifest = export(run.path(), &store, adapter, f32, &out("adapter"))
        .await
        .unwrap();
    let compared: Vec<&str> = manifest.agreement.iter().map(|a| a.what.as_str()).collect();
    assert_eq!(
        compared,
        [
            "the loss as training computes it",
            "the PEFT directory",
            "the GGUF adapter"
        ]
    );
    assert!(
        manifest.agreement[1].largest.abs() < f64::EPSILON,
        "bit for bit"
    );
    let model = Model::open(&model_file()).unwrap();
    let trained = Adapter::open(&run.path().join("adapters/1"), model.config()).unwrap();
    for name in ["adapter", "adapter/adapter.gguf"] {
        let back = Adapter::open(&out(name), model.config()).unwrap();
        assert!(back.values == trained.values, "{name}");
    }
    let config = fs::read_to_string(out("adapter/adapter_config.json")).unwrap();
    assert!(
        config.contains("\"base_model_name_or_path\": \"tiny.gguf\""),
        "{config}"
    );

    let mut sizes = Vec::new();
    for (stored, file_type, most) in [
        (TensorType::F32, 0, 1e-9),
        (TensorType::F16, 1, 1e-5),
        (TensorType::Q8_0, 7, 1e-2),
        (TensorType::Q4_0, 2, 1.0),
    ] {
        let name = format!("merged-{stored:?}");
        let merged = WeightsKind::Merged;
        let manifest = export(run.path(), &store, merged, stored, &out(&name))
            .await
            .unwrap();
        let agreement = manifest.agreement.last().unwrap();
        let divergence = agreement.divergence.unwrap();
        assert!(divergence <= most, "{stored:?}: {agreement:?}");
        let file = out(&name).join(format!("tiny-{stored:?}.gguf"));
        let opened = autodidact_engine::gguf::GgufFile::open(&file).unwrap();
        assert_eq!(opened.integer("general.file_type").unwrap(), file_type);
        sizes.push(fs::metadata(file).unwrap().len());
    }
    assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
    let refused = export(run.path(), &store, adapter, f32, &out("adapter")).await;
    assert!(matches!(refused, Err(ExportError::Exists(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn ollama_is_told_how_the_student_is_asked() {
    let run = tempfile::tempdir().unwrap();
    let store = tiny_run(run.path(), "lora").await;
    let out = |name: &str| run.path().join(name);
    let (whole, apart) = (WeightsKind::Ollama, WeightsKind::OllamaAdapter);
    let stored = TensorType::Q8_0;
    export(run.path(), &store, whole, stored, &out("whole"))
        .await
        .unwrap();
    export(run.path(), &store, apart, stored, &out("apart"))
        .await
        .unwrap();
    let text = |name: &str| fs::read_to_string(out(name).join("Modelfile")).unwrap();
    insta::assert_snapshot!("modelfile_merged", text("whole"));
    insta::assert_snapshot!("modelfile_apart", text("apart"));
    let names = |name: &str| -> Vec<String> {
        files(&out(name))
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    };
    let common = ["Modelfile", "README.md"];
    assert_eq!(
        names("whole"),
        [
            &common[..],
            &["manifest.json", "spec.toml", "tiny-Q8_0.gguf"]
        ]
        .concat()
    );
    let rest = ["adapter.gguf", "base.gguf", "manifest.json", "spec.toml"];
    assert_eq!(names("apart"), [&common[..], &rest].concat());
    assert_eq!(
        fs::read(out("apart").join("base.gguf")).unwrap(),
        fs::read(model_file()).unwrap()
    );
}

/// DoRA has no GGUF adapter; a merged model holds it.
#[tokio::test(flavor = "multi_thread")]
async fn dora_is_merged_or_written_for_peft() {
    let run = tempfile::tempdir().unwrap();
    let store = tiny_run(run.path(), "dora").await;
    let out = |name: &str| run.path().join(name);
    let f16 = TensorType::F16;
    export(
        run.path(),
        &store,
        WeightsKind::Adapter,
        f16,
        &out("adapter"),
    )
    .await
    .unwrap();
    assert!(!out("adapter/adapter.gguf").exists());
    export(run.path(), &store, WeightsKind::Merged, f16, &out("merged"))
        .await
        .unwrap();
    let apart = WeightsKind::OllamaAdapter;
    let refused = export(run.path(), &store, apart, f16, &out("apart"))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("DoRA"), "{refused}");
    assert!(!out("apart").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_card_says_where_the_weights_come_from() {
    let run = tempfile::tempdir().unwrap();
    let store = tiny_run(run.path(), "lora").await;
    let out = run.path().join("out");
    export(
        run.path(),
        &store,
        WeightsKind::Adapter,
        TensorType::F16,
        &out,
    )
    .await
    .unwrap();
    let card = fs::read_to_string(out.join("README.md")).unwrap();
    // What was sampled and learned hangs on the processor's arithmetic.
    let masks = [
        (r"samples: \d+", "samples: [n]"),
        (r"used: \d+", "used: [n]"),
        (r"value: [0-9.]+", "value: [x]"),
        (r"[0-9.]+%", "[x]%"),
        (r"p = [0-9.e-]+", "p = [x]"),
        (r"\d+ of 6", "[n] of 6"),
        (r"best baseline \([a-z\\/-]+\)", "best baseline ([name])"),
        (r"\| allowed \| \d+ \| \d+ \|", "| allowed | [n] | [n] |"),
        (
            r"\| \d+ \| [0-9.e-]+ \| [0-9.e-]+ \| (\[x\]%|-) \|",
            "| [n] | [x] | [x] | [x] |",
        ),
        (
            r"(No student of this run is better than the best baseline|Another outer loop of this run has the best student)\.\n",
            "",
        ),
    ];
    let card = masked(&card, &masks);
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!("model_card", card);
    });
}

#[tokio::test]
async fn a_run_without_a_student_is_told_so() {
    let run = tempfile::tempdir().unwrap();
    let text = common::spec(false);
    let store = RunStore::create(run.path(), &text).await.unwrap();
    let out = run.path().join("out");
    let kind = WeightsKind::Adapter;
    let refused = export(run.path(), &store, kind, TensorType::F16, &out)
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("has not finished an outer loop"),
        "{refused}"
    );
    assert!(!out.exists());
}
