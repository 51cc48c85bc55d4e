import type { JSX } from "preact";
import { may } from "../access/session";
import { text } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { formatDate, t } from "../i18n";
import { IconButton, Menu, MenuItem } from "../ui/controls";
import { Icon, type IconName } from "../ui/icons";
import { LanguageButton } from "../ui/LanguageButton";
import { ACTIONS, type ActionName } from "./actions";
import { useReading } from "./context";
import { ageText, sexText } from "./Corners";
import { shortcut } from "./keys";
import { ColorMenu } from "./menus/ColorMenu";
import { CineMenu } from "./menus/CineMenu";
import { ExportMenu } from "./menus/ExportMenu";
import { FusionMenu } from "./menus/FusionMenu";
import { LayoutMenu } from "./menus/LayoutMenu";
import { LinkMenu } from "./menus/LinkMenu";
import { MprMenu } from "./menus/MprMenu";
import { ViewMenu } from "./menus/ViewMenu";
import { WindowMenu } from "./menus/WindowMenu";
import type { PointerTool, Session } from "./session";

interface ToolbarProps {
  strip: { value: boolean };
  side: { value: boolean };
  report: { value: boolean };
}

export function Toolbar({ strip, side, report }: ToolbarProps): JSX.Element {
  const reading = useReading();
  const { session } = reading;
  return (
    <header class="toolbar">
      <a class="icon-button" href="./" title={t("action.worklist")} aria-label={t("action.worklist")}>
        <Icon name="back" />
      </a>
      <Banner session={session} />
      <div class="tools" role="toolbar" aria-label={t("toolbar.tools")}>
        <ToolButtons names={["window", "scroll", "pan", "zoom", "magnify", "crosshair"]} />
        <WindowMenu />
        <span class="divider" />
        <MeasureMenu />
        <ToolButtons names={["length", "ellipse"]} wide />
        <span class="divider" />
        <ActionButtons names={["invert", "rotate", "fit", "reset"]} wide />
        <ViewMenu />
        <ColorMenu />
        <CineMenu />
        <span class="divider" />
        <LayoutMenu />
        <LinkMenu />
        <MprMenu />
        <FusionMenu />
        <ActionButtons names={["keyImage"]} />
        <ExportMenu />
      </div>
      <div class="tools end">
        <IconButton icon="strip" label={t("toolbar.strip")} pressed={strip.value} onClick={() => (strip.value = !strip.value)} />
        {may("read-reports") && (
          <IconButton icon="document" label={t("toolbar.report")} pressed={report.value} onClick={() => (report.value = !report.value)} />
        )}
        <IconButton icon="panel" label={t("toolbar.panel")} pressed={side.value} onClick={() => (side.value = !side.value)} />
        <ActionButtons names={["fullScreen"]} wide />
        <ActionButtons names={["help"]} />
        <LanguageButton short />
      </div>
    </header>
  );
}

function Banner({ session }: { session: Session }): JSX.Element {
  const facts = session.active.value?.reference.value?.dataset ?? session.studies.value[0]?.facts ?? {};
  const name = text(facts, Tag.PatientName);
  if (session.studies.value.length === 0) return <div class="banner" />;
  return (
    <div class="banner">
      <h1>{name ?? "—"}</h1>
      <span>
        {text(facts, Tag.PatientID) ?? "—"} · {sexText(text(facts, Tag.PatientSex))} · {ageText(facts)} · {formatDate(text(facts, Tag.StudyDate)) || "—"}
      </span>
    </div>
  );
}

function ToolButtons({ names, wide }: { names: readonly (ActionName & PointerTool)[]; wide?: boolean }): JSX.Element {
  const reading = useReading();
  return (
    <span class={wide ? "group wide" : "group"}>
      {names.map((name) => (
        <IconButton
          key={name}
          icon={name as IconName}
          label={t(ACTIONS[name].label)}
          shortcut={shortcut(name)}
          pressed={reading.session.tool.value === name}
          onClick={() => ACTIONS[name].run(reading)}
        />
      ))}
    </span>
  );
}

function ActionButtons({ names, wide }: { names: readonly ActionName[]; wide?: boolean }): JSX.Element {
  const reading = useReading();
  const viewport = reading.session.active.value;
  const pressed = (name: ActionName): boolean | undefined => {
    if (name === "invert") return viewport?.inverted.value;
    if (name === "keyImage") return reading.session.keyFrames.value.some((f) => f.id === viewport?.frame.value?.id);
    return undefined;
  };
  return (
    <span class={wide ? "group wide" : "group"}>
      {names.map((name) => {
        const action = ACTIONS[name] as { icon?: IconName };
        return (
          <IconButton
            key={name}
            icon={action.icon ?? "more"}
            label={t(ACTIONS[name].label)}
            shortcut={shortcut(name)}
            pressed={pressed(name)}
            onClick={() => ACTIONS[name].run(reading)}
          />
        );
      })}
    </span>
  );
}

function MeasureMenu(): JSX.Element {
  const reading = useReading();
  const names = ["length", "bidirectional", "angle", "cobb", "rectangle", "ellipse", "freehand", "polygon", "probe", "arrow", "text"] as const;
  const current = names.find((name) => name === reading.session.tool.value);
  return (
    <Menu icon={current ?? "angle"} label={t("toolbar.measure")} pressed={current !== undefined}>
      {(close) =>
        names.map((name) => (
          <MenuItem
            key={name}
            icon={name}
            label={t(ACTIONS[name].label)}
            hint={shortcut(name).toUpperCase()}
            checked={reading.session.tool.value === name}
            onClick={() => {
              close();
              ACTIONS[name].run(reading);
            }}
          />
        ))
      }
    </Menu>
  );
}
