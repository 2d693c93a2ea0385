//! Spanish.

use super::Text;

/// Neutral American Spanish; infinitives on buttons.
pub(crate) static ES: Text = Text {
    skip: "Saltar al contenido",
    languages: "Idioma",
    zone: "Horas en UTC",
    api: "API",
    api_needs_scripts: "Esta página necesita scripts. Los programas leen lo mismo aquí:",
    months: ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"],
    quote: "«",
    unquote: "»",

    heading: "Modelos y datos guardados aquí",
    lead: "Copiados una vez, verificados byte a byte y disponibles también sin internet.",
    search_label: "Buscar repositorios por nombre",
    search_hint: "Parte del nombre",
    search_button: "Buscar",

    setup: "Trabajar con este acervo",
    setup_note: "Las herramientas de siempre, sin cambios",
    example_name: "organización/nombre",

    figures: "El acervo en cifras",
    repos: "Repositorios",
    repos_note: "Modelos, conjuntos de datos y Spaces",
    commits: "Commits",
    commits_note: "Estados fijos, cada uno con su identificador",
    blobs: "Blobs",
    blobs_note: "Contenidos distintos, guardados una sola vez",
    stored: "Espacio ocupado",

    list: "Repositorios",
    results: "Resultados de",
    on_this_page: "En esta página:",
    column_name: "Repositorio",
    column_kind: "Tipo",
    column_task: "Tarea",
    column_license: "Licencia",
    column_commit: "Commit",
    column_updated: "Actualizado",
    column_data: "API",
    model: "Modelo",
    dataset: "Datos",
    space: "Space",
    private: "Privado",
    declared: "declarada:",
    license_unknown: "Sin determinar",
    task_unknown: "sin declarar",
    data_of: "de",
    more: "Página siguiente",
    show_all: "Ver todos los repositorios",

    no_match: "Nada coincide con",
    no_match_help: "La búsqueda mira los nombres. Pruebe con una parte más corta.",
    nothing: "No hay repositorios que mostrar aquí.",
    nothing_help: "Los que hay están en otra página de la lista o solo los ven quienes tienen permiso.",

    first_run: "Todavía no hay nada guardado. Elija un repositorio del origen; se copiará, se verificará y aparecerá \
                aquí con su licencia.",
    first_repo: "Guardar el primer repositorio",
    first_repo_note: "En el equipo donde corre este servicio",

    not_found: "No existe, o no le corresponde verlo",
    not_found_help: "Revise el nombre o busque por una parte de él.",
    go_home: "Ir al inicio",
};
