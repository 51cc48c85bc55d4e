// Buttons and menus that both pages use.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icons";

interface IconButtonProps {
  icon: IconName;
  label: string;
  pressed?: boolean;
  disabled?: boolean;
  shortcut?: string;
  onClick: () => void;
  caption?: boolean;
}

export function IconButton({ icon, label, pressed, disabled, shortcut, onClick, caption }: IconButtonProps): JSX.Element {
  const title = shortcut ? `${label} (${shortcut})` : label;
  return (
    <button type="button" class="icon-button" title={title} aria-label={label} aria-pressed={pressed} disabled={disabled} onClick={onClick}>
      <Icon name={icon} />
      {caption && <span class="caption">{label}</span>}
    </button>
  );
}

interface MenuProps {
  icon?: IconName;
  label: string;
  text?: string;
  pressed?: boolean;
  children: (close: () => void) => ComponentChildren;
}

/** A button that opens a panel below it; Escape and a press elsewhere close it. */
export function Menu({ icon, label, text, pressed, children }: MenuProps): JSX.Element {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event): void => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    const escape = (event: KeyboardEvent): void => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      setOpen(false);
      box.current?.querySelector("button")?.focus();
    };
    document.addEventListener("pointerdown", outside, true);
    document.addEventListener("keydown", escape, true);
    box.current?.querySelector<HTMLElement>(".menu button, .menu input, .menu select")?.focus();
    return () => {
      document.removeEventListener("pointerdown", outside, true);
      document.removeEventListener("keydown", escape, true);
    };
  }, [open]);
  const keys = (event: KeyboardEvent): void => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const buttons = [...box.current!.querySelectorAll<HTMLElement>(".menu button")];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    if (at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    buttons[(at + (event.key === "ArrowDown" ? 1 : buttons.length - 1)) % buttons.length]!.focus();
  };
  return (
    <div class="menu-box" ref={box} onKeyDown={keys}>
      <button
        type="button"
        class="icon-button has-menu"
        title={label}
        aria-label={text ? `${text} ${label}` : label}
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        aria-pressed={pressed}
        onClick={() => setOpen(!open)}
      >
        {icon && <Icon name={icon} />}
        {text && <span class="caption">{text}</span>}
        <Icon name="chevron" size={12} />
      </button>
      {open && (
        <div class="menu" id={id}>
          {children(() => setOpen(false))}
        </div>
      )}
    </div>
  );
}

interface MenuItemProps {
  label: string;
  hint?: string;
  icon?: IconName;
  checked?: boolean;
  disabled?: boolean;
  onClick: () => void;
}

export function MenuItem({ label, hint, icon, checked, disabled, onClick }: MenuItemProps): JSX.Element {
  return (
    <button type="button" class="menu-item" aria-pressed={checked} disabled={disabled} onClick={onClick}>
      {icon && <Icon name={icon} size={18} />}
      <span>{label}</span>
      {hint && <small>{hint}</small>}
      {checked && <Icon name="check" size={16} />}
    </button>
  );
}
