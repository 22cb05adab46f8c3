import { html } from "htm/preact";

interface Props {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
}

/** A field whose text confirms that something is to be removed. */
export const ConfirmField = ({ label, value, onInput }: Props) => html`
  <label>
    ${label}
    <input
      autocomplete="off"
      spellcheck="false"
      value=${value}
      onInput=${({ currentTarget }: { currentTarget: HTMLInputElement }) => onInput(currentTarget.value)}
    />
  </label>
`;
