//! Libraries that load what people mirror: tables of every format, models with templates and single files.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use acervo::demo::content;
use acervo_core::RepoKind;
use acervo_tests::clients::run::Client;
use acervo_tests::clients::table::Table;
use acervo_tests::expect;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::RepoFixture;
use acervo_tests::test_hub::{TestHub, order};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The ref under which the public hub keeps converted tables.
const CONVERTED: &str = "refs/convert/parquet";

const TABLES: &str = "acme/tablas";
const PARQUET: &str = "columnas/train-00000-of-00001.parquet";
const CSV: &str = "data/train-00000-of-00002.csv";

/// Three configurations, of three formats; splits by name, by pattern and by folder.
const CARD: &str = "---
license: cc0-1.0
configs:
- config_name: frases
  default: true
  data_files:
  - split: train
    path: data/train-00000-*.csv
  - split: test
    path: [data/test.csv, data/train-00001-of-00002.csv]
- config_name: cuentas
  data_files:
  - split: train
    path: cuentas/*/part-*.jsonl
  - split: validation
    path: cuentas/validation.jsonl
- config_name: columnas
  data_dir: columnas
---
# Tablas
";

/// Rows of the configurations, by split.
fn configurations() -> Value {
    let phrase = |n: i64, text: &str, weight: f64| json!({ "id": n, "texto": text, "peso": weight });
    let count = |n: i64, tags: &[&str]| json!({ "n": n, "tags": tags, "meta": { "k": n * 2, "who": "ñandú" } });
    let columns = (0..3000).map(|n: i64| {
        let name = if n % 7 == 0 { Value::Null } else { json!(format!("name {n}")) };
        json!({ "id": n, "valor": n as f64 / 4.0, "nombre": name, "par": n % 2 == 0 })
    });
    json!({
        "frases": {
            "train": [phrase(1, "una, con coma", 0.5), phrase(2, "dos \"entre\" comillas", 1.5), phrase(3, "tres: ñandú 你好", 2.25)],
            "test": [phrase(4, "cuatro", 3.5), phrase(5, "cinco\nen dos", 4.5)],
        },
        "cuentas": {
            "train": [count(1, &["a"]), count(2, &["a", "b"]), count(3, &["c"])],
            "validation": [count(4, &["d", "e"])],
        },
        "columnas": { "train": columns.collect::<Vec<_>>() },
    })
}

fn csv(rows: &[Value]) -> String {
    let quoted = |row: &Value| row["texto"].as_str().unwrap().replace('"', "\"\"");
    let lines = rows.iter().map(|row| format!("{},\"{}\",{}\n", row["id"], quoted(row), row["peso"]));
    format!("id,texto,peso\n{}", lines.collect::<String>())
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// The rows as pyarrow writes them, in several groups.
fn parquet(rows: &[Value]) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("table.parquet");
    let python = std::env::var_os("ACERVO_TEST_PYTHON").expect("ACERVO_TEST_PYTHON is not set; run `tests/run`");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python/parquet.py");
    let mut writer = Command::new(python).arg(script).arg(&path).arg("800").stdin(Stdio::piped()).spawn().unwrap();
    writer.stdin.take().unwrap().write_all(lines(rows).as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success(), "pyarrow writes the table");
    std::fs::read(path).unwrap()
}

fn tables() -> (RepoFixture, Value) {
    let rows = configurations();
    let of = |name: &str, split: &str| rows[name][split].as_array().unwrap().clone();
    let table = parquet(&of("columnas", "train"));
    let (test, counts) = (of("frases", "test"), of("cuentas", "train"));
    let fixture = RepoFixture::dataset(TABLES)
        .file("README.md", CARD)
        .file(CSV, csv(&of("frases", "train")))
        .file("data/test.csv", csv(&test[..1]))
        .file("data/train-00001-of-00002.csv", csv(&test[1..]))
        .file("cuentas/a/part-0.jsonl", lines(&counts[..1]))
        .file("cuentas/b/part-1.jsonl", lines(&counts[1..]))
        .file("cuentas/validation.jsonl", lines(&of("cuentas", "validation")))
        .lfs(PARQUET, &table)
        .with_xet()
        .convert("parquet", "Convert", |commit| {
            commit.file(".gitattributes", "*.parquet filter=lfs -text\n").lfs("default/train/0000.parquet", &table)
        });
    let stated = json!({
        "repo": TABLES, "commit": fixture.head(), "configurations": rows, "default": "frases", "csv": CSV,
        "parquet": PARQUET, "parquet_bytes": table.len(), "converted": CONVERTED,
    });
    (fixture, stated)
}

/// The Llama of the demonstration with more templates, and with a few tensors in a single file.
fn templates(folder: &Path) -> (RepoFixture, Value) {
    let repos = content::repos();
    let llama = repos.iter().find(|repo| repo.name == "llama-tiny").expect("a generated model");
    let weights = |path: &str| path.contains("safetensors");
    let mut files: Vec<(String, Vec<u8>, bool)> = llama
        .files
        .iter()
        .filter(|file| !weights(&file.path))
        .map(|file| (file.path.clone(), file.bytes.clone(), file.lfs))
        .collect();
    let mut add = |path: &str, bytes: &[u8], lfs: bool| files.push((path.to_owned(), bytes.to_vec(), lfs));
    add("chat_template.jinja", b"{% for message in messages %}{{ message['content'] }}{% endfor %}", false);
    add("additional_chat_templates/tool_use.jinja", b"{{ tools }}{{ messages[0]['content'] }}", false);
    add("additional_chat_templates/rag.jinja", b"{{ documents }}", false);
    add("model.safetensors", &safetensors(), true);
    let mut fixture = RepoFixture::model("acme/plantillas");
    for (path, bytes, lfs) in files {
        let written = folder.join(&path);
        std::fs::create_dir_all(written.parent().unwrap()).unwrap();
        std::fs::write(written, &bytes).unwrap();
        fixture = if lfs { fixture.lfs(&path, &bytes) } else { fixture.file(&path, &bytes) };
    }
    let stated = json!([{
        "repo": fixture.name, "commit": fixture.head(), "generated_dir": folder, "tokenizer": true,
        "templates": ["default", "tool_use", "rag"],
    }]);
    (fixture, stated)
}

/// Two tensors in the order of their bytes: a length, a header, data.
fn safetensors() -> Vec<u8> {
    let header = json!({
        "__metadata__": { "format": "pt" },
        "a.weight": { "dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48] },
        "b.bias": { "dtype": "I64", "shape": [2], "data_offsets": [48, 64] },
    });
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend((0..64).map(|n: u8| n.wrapping_mul(37)));
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_models_of_every_form_load_in_stock_libraries() {
    let generated = TempDir::new().unwrap();
    let folder: PathBuf = generated.path().join("plantillas");
    let ((tables, stated), (model, models)) = (tables(), templates(&folder));
    let upstream = FakeUpstream::start(vec![tables.clone(), model.clone()]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mut request = order(RepoKind::Dataset, TABLES);
    request.revisions = vec!["main".to_owned(), CONVERTED.to_owned()];
    let mirror = hub.mirror_with(request).await;
    hub.sync(&mirror).await;
    hub.synced(RepoKind::Model, &model.name).await;

    let (mut of_tables, mut of_model) = (expect::repo(&tables), expect::repo(&model));
    of_tables.insert("tables".to_owned(), stated);
    of_model.insert("models".to_owned(), models);
    let scenes = json!({ "tables": of_tables, "templates": of_model });
    let (table, mut failures) = (Table::load(), Vec::new());
    for client in &table.clients {
        let cases = table.runs(&client.id, &["tables", "templates"]);
        failures.extend(Client::named(&client.id).run(hub.url(), &scenes, &cases).await);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
