//! `acervo-demo/refranes`: sixty traditional proverbs with a short explanation, in two splits.
//!
//! Plain JSON Lines without a loading script, as `datasets.load_dataset` reads them.

use acervo_core::RepoKind;
use serde_json::json;

use super::{DemoRepo, assemble, text_file};

/// The dataset.
pub(super) fn refranes() -> DemoRepo {
    let (mut train, mut test) = (String::new(), String::new());
    for (index, (language, proverb, sense)) in PROVERBS.iter().enumerate() {
        let id = format!("r{:03}", index + 1);
        let row = json!({ "id": id, "idioma": language, "refran": proverb, "sentido": sense });
        // Every fifth goes to the test split, so that both hold all the larger languages.
        let split = if index % 5 == 4 { &mut test } else { &mut train };
        split.push_str(&format!("{row}\n"));
    }
    let files =
        vec![text_file("README.md", CARD), text_file("data/train.jsonl", &train), text_file("data/test.jsonl", &test)];
    assemble(RepoKind::Dataset, "refranes", &["*.parquet", "*.arrow", "*.zst"], files)
}

/// The proverbs alone, a text for the tokenizers to learn from.
pub(super) fn text() -> String {
    PROVERBS.iter().map(|(_, proverb, _)| format!("{proverb}\n")).collect()
}

/// Language, proverb, and what it means in Spanish.
const PROVERBS: [(&str, &str, &str); 60] = [
    ("es", "A caballo regalado no le mires el diente.", "No se critica lo que se recibe sin pagar."),
    ("es", "A quien madruga, Dios le ayuda.", "Empezar pronto suele dar buen resultado."),
    ("es", "Más vale tarde que nunca.", "Llegar con retraso es mejor que no llegar."),
    ("es", "No por mucho madrugar amanece más temprano.", "La prisa no adelanta lo que tiene su propio tiempo."),
    ("es", "En boca cerrada no entran moscas.", "Callar a tiempo evita problemas."),
    ("es", "Ojos que no ven, corazón que no siente.", "Lo que no se conoce no duele."),
    ("es", "Más vale pájaro en mano que ciento volando.", "Lo seguro vale más que lo prometido."),
    ("es", "Perro ladrador, poco mordedor.", "Quien mucho amenaza rara vez actúa."),
    ("es", "Quien mucho abarca, poco aprieta.", "Querer hacerlo todo impide hacer algo bien."),
    ("es", "De tal palo, tal astilla.", "Los hijos se parecen a los padres."),
    ("es", "Cría fama y échate a dormir.", "La reputación, buena o mala, trabaja sola."),
    ("es", "Dime con quién andas y te diré quién eres.", "La compañía revela a la persona."),
    ("es", "El que mucho corre, pronto para.", "El esfuerzo desmedido dura poco."),
    ("es", "Agua que no has de beber, déjala correr.", "No conviene meterse en lo que no nos toca."),
    ("es", "Al mal tiempo, buena cara.", "La dificultad se lleva mejor con ánimo."),
    ("es", "A lo hecho, pecho.", "Se afrontan las consecuencias de lo que ya pasó."),
    ("es", "Cada oveja con su pareja.", "Cada cual busca a quien se le parece."),
    ("es", "Camarón que se duerme, se lo lleva la corriente.", "Quien se descuida pierde la ocasión."),
    ("es", "Cuando el río suena, agua lleva.", "Todo rumor tiene algún fundamento."),
    ("es", "Del dicho al hecho hay mucho trecho.", "Prometer es más fácil que cumplir."),
    ("es", "Donde hubo fuego, cenizas quedan.", "Un sentimiento fuerte deja huella."),
    ("es", "El hábito no hace al monje.", "La apariencia no dice cómo es alguien."),
    ("es", "El que busca, encuentra.", "La constancia acaba dando fruto."),
    ("es", "En casa de herrero, cuchillo de palo.", "Suele faltar algo justo donde debería sobrar."),
    ("es", "Hecha la ley, hecha la trampa.", "Toda norma nueva encuentra quien la esquive."),
    ("es", "Hoy por ti, mañana por mí.", "La ayuda que se da vuelve algún día."),
    ("es", "La práctica hace al maestro.", "Se aprende repitiendo."),
    ("es", "Las paredes oyen.", "Hay que cuidar dónde se cuenta un secreto."),
    ("es", "Lo barato sale caro.", "Ahorrar en calidad cuesta más después."),
    ("es", "Lo prometido es deuda.", "Una promesa obliga."),
    ("es", "Más sabe el diablo por viejo que por diablo.", "La experiencia enseña más que el ingenio."),
    ("es", "Muchas manos en un plato hacen mucho garabato.", "Demasiada gente en una tarea la estropea."),
    ("es", "No dejes para mañana lo que puedas hacer hoy.", "Aplazar no resuelve nada."),
    ("es", "No es oro todo lo que reluce.", "Lo que brilla puede engañar."),
    ("es", "No hay mal que por bien no venga.", "De una desgracia puede salir algo bueno."),
    ("es", "No se ganó Zamora en una hora.", "Lo importante pide paciencia."),
    ("es", "Obras son amores, que no buenas razones.", "El cariño se demuestra con hechos."),
    ("es", "Piensa mal y acertarás.", "La desconfianza a menudo acierta."),
    ("es", "Poco a poco se va lejos.", "El avance pequeño y constante llega."),
    ("es", "Quien bien te quiere te hará llorar.", "Quien aprecia a otro le dice la verdad."),
    ("es", "Quien tiene boca se equivoca.", "Todo el que habla comete errores."),
    ("es", "Sarna con gusto no pica.", "Lo que se elige no molesta."),
    ("es", "Tanto va el cántaro a la fuente que al fin se rompe.", "Quien repite el riesgo acaba mal."),
    ("es", "Una golondrina no hace verano.", "Un solo caso no prueba nada."),
    ("es", "Zapatero, a tus zapatos.", "Cada cual opine de lo que sabe."),
    ("eu", "Izena duen guztia omen da.", "Todo lo que tiene nombre existe."),
    ("eu", "Nolako zura, halako ezpala.", "Según la madera, así la astilla."),
    ("eu", "Gezurrak hanka motzak ditu.", "La mentira tiene las patas cortas."),
    ("eu", "Lan lasterra, lan alferra.", "El trabajo apresurado es trabajo inútil."),
    ("eu", "Zenbat buru, hainbat aburu.", "Tantas cabezas, tantos pareceres."),
    ("eu", "Urrutiko intxaurrak hamalau, hurbildu eta lau.", "De lejos catorce nueces; de cerca, cuatro."),
    ("en", "Actions speak louder than words.", "Los hechos dicen más que las palabras."),
    ("en", "A stitch in time saves nine.", "Un remiendo a tiempo ahorra muchos."),
    ("en", "Better late than never.", "Más vale tarde que nunca."),
    ("en", "Don't count your chickens before they hatch.", "No se da por hecho lo que aún no ha llegado."),
    ("en", "Many hands make light work.", "Entre muchos el trabajo pesa menos."),
    ("en", "Practice makes perfect.", "La práctica hace al maestro."),
    ("en", "Still waters run deep.", "Quien calla puede tener mucho dentro."),
    ("en", "The early bird catches the worm.", "Quien llega primero elige."),
    ("qu", "Ama suwa, ama llulla, ama qilla.", "No robes, no mientas, no seas ocioso."),
];

const CARD: &str = "\
---
license: cc0-1.0
language:
- es
- eu
- en
- qu
pretty_name: Refranes
size_categories:
- n<1K
task_categories:
- text-generation
tags:
- proverbs
- demo
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train.jsonl
  - split: test
    path: data/test.jsonl
dataset_info:
  features:
  - name: id
    dtype: string
  - name: idioma
    dtype: string
  - name: refran
    dtype: string
  - name: sentido
    dtype: string
---

# Refranes

Sixty traditional proverbs: forty-five Spanish, eight English, six Basque and one Quechua. Each has a short explanation
in Spanish. The proverbs are folklore; the explanations were written for this dataset, which exists to demonstrate
Acervo.

*En breve: sesenta refranes con su explicación, para probar un repositorio de datos sin descargar nada grande.*

## Fields

| field | content |
|---|---|
| `id` | `r001` to `r060` |
| `idioma` | ISO 639-1 code of the language of the proverb |
| `refran` | the proverb |
| `sentido` | what it means, in Spanish |

Every fifth proverb is in the `test` split, the others are in `train`.

```python
from datasets import load_dataset

refranes = load_dataset(\"acervo-demo/refranes\")
```

## Intended use

Trying out a hub, a mirror or a loading script. The tokenizers of the models beside it learned from these proverbs.

## Out-of-scope use

Training or judging a model: sixty rows say nothing about a language. The explanations are one reading, not scholarship.

## Limitations

The choice is arbitrary and leans towards Spain. Proverbs carry the prejudices of their time. Variants, origins and
regional differences are left out, and nobody has reviewed the Basque and Quechua rows.

## Licence

CC0 1.0: no rights are reserved in the explanations and the selection.
";
