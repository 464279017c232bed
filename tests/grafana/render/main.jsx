// Draws the panels of one dashboard, with its grid, from what data.json has of Prometheus. The page's title becomes
// "drawn" when all panels are there, and "failed: ..." when one could not be drawn.
import { Component, createElement as h } from 'react';
import { createRoot } from 'react-dom/client';
import {
  FieldConfigOptionsRegistry, FieldType, ThemeContext, VizOrientation, applyFieldOverrides, createTheme, dateTime,
  getDisplayProcessor, toDataFrame,
} from '@grafana/data';
import { BarGauge, BigValue, GlobalStyles, PanelChrome, Table, TimeSeries } from '@grafana/ui';

const theme = createTheme({ colors: { mode: 'dark' } });
const COLUMN = 54, ROW = 34, GAP = 6;
const LIBRARY = new Set(['timeseries', 'stat', 'bargauge', 'table']);

const registry = new FieldConfigOptionsRegistry();
for (const id of ['unit', 'min', 'max', 'decimals', 'displayName', 'color', 'thresholds', 'noValue', 'mappings', 'links']) {
  registry.register({
    id, path: id, name: id, settings: {}, editor: () => null, override: () => null,
    process: (value) => value, shouldApply: () => true, getItemsCount: () => 0,
  });
}

function frames(panel) {
  const { unit, min, max, thresholds, noValue } = panel.fieldConfig.defaults;
  const data = panel.frames.map((frame, number) => toDataFrame({
    name: frame.name, refId: frame.refId,
    fields: frame.fields.map((field) => ({
      ...field,
      config: field.type === 'number'
        ? {
          displayNameFromDS: frame.name, unit: field.unit ?? unit, custom: custom(panel, number),
          color: given(panel, frame.name) ?? { mode: panel.type === 'stat' || panel.type === 'bargauge' ? 'thresholds' : 'palette-classic' },
        }
        : { custom: { align: 'auto', cellOptions: { type: 'auto' } } },
    })),
  }));
  return applyFieldOverrides({
    data, theme, fieldConfigRegistry: registry, replaceVariables: (text) => text,
    fieldConfig: { defaults: { min, max, thresholds, noValue }, overrides: [] },
  });
}

function given(panel, name) { // the colour that the dashboard gives to what is called so
  const override = (panel.fieldConfig.overrides ?? []).find((each) => each.matcher.options === name);
  return override?.properties.find((each) => each.id === 'color')?.value;
}

function custom(panel, number) {
  const said = panel.fieldConfig.defaults.custom ?? {};
  return {
    drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, pointSize: 4, axisPlacement: 'auto', spanNulls: true,
    scaleDistribution: { type: 'linear' }, hideFrom: { legend: false, tooltip: false, viz: false },
    gradientMode: 'none', align: 'auto', cellOptions: { type: 'auto' }, ...said, showPoints: 'never',
    stacking: said.stacking ?? { mode: 'none', group: 'A' },
  };
}

const values = (data) => data.flatMap((frame) => frame.fields.filter((field) => field.type === FieldType.number)
  .map((field) => ({ field, name: frame.name, value: field.values[field.values.length - 1] })));
const shown = (field, value) => getDisplayProcessor({ field, theme })(value);

function Body({ panel, range, width, height }) {
  if (!LIBRARY.has(panel.type) || panel.datasource?.type !== 'prometheus') {
    return h('p', { style: { opacity: 0.6 } }, `${panel.type}: drawn by Grafana itself, not by its library`);
  }
  const data = frames(panel);
  const found = values(data);
  if (panel.type !== 'table' && found.length === 0) return empty(panel);
  if (panel.type === 'stat') {
    const { field, value } = found[0];
    return h(BigValue, {
      theme, width, height, value: shown(field, value), colorMode: panel.options.colorMode, graphMode: 'none',
      justifyMode: 'auto', textMode: 'value',
    });
  }
  if (panel.type === 'bargauge') {
    const each = Math.max(24, Math.min(44, height / found.length - 4));
    return found.map(({ field, name, value }, number) => h(BarGauge, {
      key: number, theme, width, height: each, field: { ...field.config, min: 0, max: field.config.max ?? top(found) },
      value: { ...shown(field, value), title: name }, orientation: VizOrientation.Horizontal, displayMode: 'basic',
      valueDisplayMode: 'color', showUnfilled: true, itemSpacing: 4,
      display: getDisplayProcessor({ field, theme }),
    }));
  }
  if (panel.type === 'table') {
    return data.length ? h(Table, { data: data[0], width, height, columnMinWidth: 60 }) : empty(panel);
  }
  return h(TimeSeries, {
    frames: data, width, height, timeZone: 'utc', timeRange: range,
    legend: { showLegend: data.length > 1, displayMode: 'list', placement: 'bottom', calcs: [] },
  });
}

const empty = (panel) => h('p', { 'data-empty': panel.title, style: { opacity: 0.6 } }, 'no data');

const top = (found) => Math.max(...found.map(({ value }) => value), 0);

class Guarded extends Component {
  state = { error: null };
  static getDerivedStateFromError(error) { return { error }; }
  componentDidCatch(error) { document.title = `failed: ${this.props.title}: ${error}`; }
  render() { return this.state.error ? String(this.state.error) : this.props.children; }
}

function Board({ board }) {
  const range = { from: dateTime(board.from), to: dateTime(board.to), raw: { from: 'now-1h', to: 'now' } };
  return board.panels.map((panel) => {
    const { x, y, w, h: rows } = panel.gridPos;
    const place = { position: 'absolute', left: x * COLUMN + GAP, top: y * ROW + GAP };
    if (panel.type === 'row') return h('h5', { key: panel.id, style: { ...place, margin: '8px 4px' } }, panel.title);
    const width = w * COLUMN - GAP, height = rows * ROW - GAP;
    return h('div', { key: panel.id, style: { ...place, width, height } },
      h(PanelChrome, { title: panel.title, width, height },
        (innerWidth, innerHeight) => h(Guarded, { title: panel.title },
          h(Body, { panel, range, width: innerWidth, height: innerHeight }))));
  });
}

const board = await (await fetch('./data.json')).json();
createRoot(document.getElementById('root')).render(
  h(ThemeContext.Provider, { value: theme },
    h(GlobalStyles),
    h('div', { style: { position: 'relative', background: theme.colors.background.canvas, width: 24 * COLUMN + 2 * GAP,
      height: board.height * ROW + GAP } }, h(Board, { board }))),
);
setTimeout(() => { if (document.title === 'waiting') document.title = 'drawn'; }, 3000);
