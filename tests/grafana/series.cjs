// Reads panels with frames, and writes what Grafana's own code makes of them: name, colour and line of each series.
globalThis.navigator = { language: "en", languages: ["en"] };
const data = require("@grafana/data");

const theme = data.createTheme();
// The panel's own properties are registered by its plugin, which is not on npm.
const registry = new data.FieldConfigOptionsRegistry();
for (const path of ["color", "custom.lineStyle", "custom.fillOpacity", "custom.lineWidth", "displayName"]) {
  registry.register({
    id: path,
    path: path.replace("custom.", ""),
    isCustom: path.startsWith("custom."),
    process: path === "displayName" ? data.displayNameOverrideProcessor : data.identityOverrideProcessor,
    settings: { expandTemplateVars: true },
    shouldApply: () => true,
  });
}
const labelsOf = (variables) =>
  (variables.__dataContext ? variables.__dataContext.value.field : variables.__field.value).labels;
const replaceVariables = (text, variables) =>
  text.replace(/\$\{__field\.labels\.(\w+)\}/g, (_, label) => labelsOf(variables)[label]);

const panels = JSON.parse(require("fs").readFileSync(0, "utf8"));
const answer = panels.map(({ fieldConfig, frames }) => {
  const shown = data.applyFieldOverrides({
    data: frames.map((frame) => data.toDataFrame(frame)),
    fieldConfig,
    fieldConfigRegistry: registry,
    replaceVariables,
    theme,
  });
  return shown.flatMap((frame) =>
    frame.fields
      .filter((field) => field.type === "number")
      .map((field) => ({
        name: data.getFieldDisplayName(field, frame, shown),
        color: data.getFieldColorModeForField(field).getCalculator(field, theme)(0, 0),
        line: field.config.custom?.lineStyle?.fill ?? "solid",
      })),
  );
});
console.log(JSON.stringify(answer));
