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

/// Cards whose configurations name their files by path, by pattern and by folder. A repository has one format, since
/// `datasets` reads all of it in one way.
const CARDS: [&str; 3] = [
    "---
license: cc0-1.0
configs:
- config_name: frases
  default: true
  data_files:
  - split: train
    path: data/train-00000-*.csv
  - split: test
    path: [data/test.csv, data/train-00001-of-00002.csv]
- config_name: una
  data_files: data/test.csv
---
# Tablas
",
    "---
configs:
- config_name: cuentas
  default: true
  data_files:
  - split: train
    path: \"*/part-*.jsonl\"
  - split: validation
    path: validation.jsonl
- config_name: pocas
  data_files: a/part-0.jsonl
---
",
    "---
configs:
- config_name: columnas
  default: true
  data_dir: columnas
- config_name: otras
  data_dir: otras
---
",
];

fn phrases() -> Vec<Value> {
    let texts = ["una, con coma", "dos \"entre\" comillas", "tres: ñandú 你好", "cuatro", "cinco\nen dos"];
    let row = |(n, text): (usize, &str)| json!({ "id": n + 1, "texto": text, "peso": n as f64 + 0.25 });
    texts.into_iter().enumerate().map(row).collect()
}

fn counts() -> Vec<Value> {
    let tags = ["a", "b", "c"];
    let row = |n: usize| json!({ "n": n, "tags": tags[..=n], "meta": { "k": n * 2, "who": "ñandú" } });
    (0..3).map(row).chain([json!({ "n": 9, "tags": ["d", "e"], "meta": { "k": 1, "who": "you" } })]).collect()
}

fn columns() -> Vec<Value> {
    let row = |n: u32| {
        let name = if n.is_multiple_of(7) { Value::Null } else { json!(format!("name {n} ").repeat(8)) };
        json!({ "id": n, "valor": f64::from(n) / 4.0, "nombre": name, "par": n.is_multiple_of(2) })
    };
    (0..3000).map(row).collect()
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

/// Repositories of tables, the one with everything first, and what there is to be read.
fn tables() -> ([RepoFixture; 3], Value) {
    let (phrases, counts, columns) = (phrases(), counts(), columns());
    let table = parquet(&columns);
    let first = RepoFixture::dataset(TABLES)
        .file("README.md", CARDS[0])
        .file(CSV, csv(&phrases[..3]))
        .file("data/test.csv", csv(&phrases[3..4]))
        .file("data/train-00001-of-00002.csv", csv(&phrases[4..]))
        .lfs(PARQUET, &table)
        .with_xet()
        .convert("parquet", "Convert", |commit| {
            commit.file(".gitattributes", "*.parquet filter=lfs -text\n").lfs("default/train/0000.parquet", &table)
        });
    let second = RepoFixture::dataset("acme/cuentas")
        .file("README.md", CARDS[1])
        .file("a/part-0.jsonl", lines(&counts[..1]))
        .file("b/part-1.jsonl", lines(&counts[1..3]))
        .file("validation.jsonl", lines(&counts[3..]));
    let third = RepoFixture::dataset("acme/columnas")
        .file("README.md", CARDS[2])
        .lfs(PARQUET, &table)
        .lfs("otras/train.parquet", parquet(&columns[10..20]));
    let formats = json!([
        { "repo": first.name, "default": "frases", "configurations": {
            "frases": { "train": phrases[..3], "test": phrases[3..] }, "una": { "train": phrases[3..4] },
        } },
        { "repo": second.name, "default": "cuentas", "configurations": {
            "cuentas": { "train": counts[..3], "validation": counts[3..] }, "pocas": { "train": counts[..1] },
        } },
        { "repo": third.name, "default": "columnas", "configurations": {
            "columnas": { "train": columns }, "otras": { "train": columns[10..20] },
        } },
    ]);
    let stated = json!({
        "repo": TABLES, "commit": first.head(), "formats": formats, "csv": CSV, "csv_rows": phrases[..3],
        "parquet": PARQUET, "parquet_rows": columns, "parquet_bytes": table.len(), "converted": CONVERTED,
    });
    ([first, second, third], stated)
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
    let [tables, others @ ..] = tables;
    let mut repos = vec![tables.clone(), model.clone()];
    repos.extend(others.clone());
    let upstream = FakeUpstream::start(repos).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mut request = order(RepoKind::Dataset, TABLES);
    request.revisions = vec!["main".to_owned(), CONVERTED.to_owned()];
    let mirror = hub.mirror_with(request).await;
    hub.sync(&mirror).await;
    hub.synced(RepoKind::Model, &model.name).await;
    for other in &others {
        hub.synced(RepoKind::Dataset, &other.name).await;
    }

    let (mut of_tables, mut of_model) = (expect::repo(&tables), expect::repo(&model));
    of_tables.insert("tables".to_owned(), stated);
    of_tables.insert("card".to_owned(), json!({ "license": "cc0-1.0" }));
    of_model.insert("models".to_owned(), models);
    let scenes = json!({ "tables": of_tables, "templates": of_model });
    let (table, mut failures) = (Table::load(), Vec::new());
    for client in &table.clients {
        let cases = table.runs(&client.id, &["tables", "templates"]);
        failures.extend(Client::named(&client.id).run(hub.url(), &scenes, &cases).await);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
