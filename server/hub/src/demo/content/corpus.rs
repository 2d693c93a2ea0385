//! Short everyday sentences, our own, from which the tokenizers learn their merges.
//!
//! The proverbs of the dataset are a text of their own, beside the dataset.

/// Spanish.
pub(super) const SPANISH: &str = "\
Buenos días, ¿cómo está usted? Muy bien, gracias, ¿y usted?
La biblioteca abre a las ocho de la mañana y cierra a las seis de la tarde.
El archivo guarda los documentos de la ciudad, y cada documento tiene un número.
La bibliotecaria recibe los libros, los ordena y los presta a los lectores.
Los lectores leen los libros en la biblioteca o se los llevan a su casa.
Cada mañana el tren de las siete lleva a los trabajadores a la ciudad.
El modelo de lenguaje aprende de los textos, y los textos los escriben las personas.
Quien copia un archivo comprueba después que la copia es igual al original.
En el mercado hay naranjas, limones, manzanas, tomates, cebollas y pan.
La niña pequeña dibuja una montaña con un castaño y una cigüeña.
El ñandú corre por la llanura y la señora lo mira desde el camino.
Mañana por la mañana iremos a la montaña, si no llueve.
Mi hermano trabaja en la universidad y mi hermana trabaja en el hospital.
¿Dónde está la estación? Está al final de la calle, a la derecha.
No hay mejor noticia que una carta de los amigos que viven lejos.
La lluvia cae sobre el río, y el río lleva el agua hasta el mar.
Antes de publicar un modelo hay que explicar de dónde vienen los datos y quién puede usarlos.
La licencia dice qué se puede hacer con el modelo y qué no se puede hacer.
Los resultados se publican en la página de la universidad, con los datos y con el código.
";

/// Guarani.
pub(super) const GUARANI: &str = "\
Mbaʼéichapa. Mbaʼéichapa reiko? Iporãnte, ha nde?
Mbaʼéichapa nde réra? Che réra María. Che réra Ramón.
Moõguápa nde? Che Paraguaigua.
Reñeʼẽpa guarani? Añeʼẽ guaraníme. Oñeʼẽ guaraníme. Roñeʼẽ guaraníme. Ñañeʼẽ guaraníme.
Ñande ñeʼẽ iporã. Ore ñeʼẽ guarani.
Aguyje. Aguyjevete ndéve. Aguyjevete peẽme.
Maitei opavavépe. Tereg̃uahẽporãite. Peg̃uahẽporãite.
Kaʼaru porã. Pyhare porã. Jajoechapeve. Koʼẽrõ peve.
Jaha, che irũ. Eju koʼápe. Eguapy. Peju koʼápe. Peguapy.
Mbaʼe piko kóva? Kóva haʼe aranduka. Kóva haʼe óga. Kóva haʼe ñandu. Kóva haʼe ñandutĩ.
Peteĩ, mokõi, mbohapy, irundy, po.
Che sy ha che ru oñeʼẽ guaraníme. Mitã oñeʼẽ guaraníme.
Yvoty iporã. Kuarahy osẽ. Oky hína. Yvytu, yvy, yvága, ysyry.
Aikuaa. Ndaikuaái. Reikuaápa? Oikuaa. Ndoikuaái.
Che rohayhu. Jagua ha mbarakaja. Kavaju ha vaka.
Arakõi, araapy, ararundy, arapo, arapoteĩ, arapokõi, arateĩ.
";

/// English.
pub(super) const ENGLISH: &str = "\
Good morning, how are you? Very well, thank you, and you?
The library opens at eight in the morning and closes at six in the evening.
The archive keeps the documents of the city, and every document has a number.
Readers read the books in the library or take them home.
The language model learns from the texts, and the texts are written by people.
Whoever copies a file checks that the copy is the same as the original.
The rain falls on the river, and the river takes the water to the sea.
Before a model is published, somebody has to say where the data came from and who may use it.
The licence says what may be done with the model and what may not be done.
The results are on the page of the university, with the data and with the code.
";

/// Basque.
pub(super) const BASQUE: &str = "\
Kaixo, zer moduz? Ondo, eskerrik asko, eta zu?
Egun on. Arratsalde on. Gabon. Eskerrik asko. Ez horregatik.
Nire izena Miren da. Nire izena Jon da. Gu euskaldunak gara.
Bat, bi, hiru, lau, bost, sei, zazpi, zortzi, bederatzi, hamar.
Liburua mahai gainean dago. Etxea mendian dago. Itsasoa urruti dago.
";

/// Quechua.
pub(super) const QUECHUA: &str = "\
Allinllachu. Allinllam. Imaynalla kachkanki? Allillanmi kachkani.
Imataq sutiyki? Ñuqapa sutiymi Rosa. Ñuqapa sutiymi Inti.
Sulpayki. Añay. Tupananchikkama. Paqarinkama.
Huk, iskay, kimsa, tawa, pichqa, suqta, qanchis, pusaq, isqun, chunka.
Wasi, mayu, urqu, inti, killa, quyllur, allpa, sara, papa.
";
