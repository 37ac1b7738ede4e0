import { type Command, ExitError } from './command.ts';

export const completion: Command = {
  synopsis: 'bash|zsh|fish',
  details: `Prints what the shell needs to complete commands, flags, and the names of pods, containers and images:

  bash   source <(gantry completion bash)       in ~/.bashrc
  zsh    source <(gantry completion zsh)        in ~/.zshrc, after compinit
  fish   gantry completion fish | source        in ~/.config/fish/config.fish
`,
  flags: {},
  operands: { min: 1, max: 1 },
  run: async ({ operands: [shell = ''] }) => {
    const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
    if (script === undefined) {
      const known = Object.keys(scripts).join(', ');
      throw new ExitError('usage', `there is no completion for "${shell}"; there is ${known}`);
    }
    process.stdout.write(script);
  },
};

const scripts: Readonly<Record<string, string>> = {
  // Bash takes words apart at colons, which names of images have: they are put together, and what
  // comes after the last colon is given back. Candidates are data, which compgen -W would expand.
  bash: `_gantry() {
  local word current colon isOpen=
  local -a words=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [[ -n "$isOpen" || "$word" == : && \${#words[@]} -gt 0 ]]; then words[-1]+="$word"; else words+=("$word"); fi
    [[ "$word" == : ]] && isOpen=yes || isOpen=
  done
  current="\${words[-1]}"
  mapfile -t COMPREPLY < <(gantry __complete "\${words[@]}" 2>/dev/null)
  if [[ "$current" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
    colon="\${current%"\${current##*:}"}"
    COMPREPLY=("\${COMPREPLY[@]#"$colon"}")
  fi
}
complete -o default -F _gantry gantry
`,
  zsh: `_gantry() {
  local -a candidates
  candidates=("\${(@f)$(gantry __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a candidates || _files
}
compdef _gantry gantry
`,
  fish: `complete -c gantry -f -a '(gantry __complete (commandline -opc)[2..] (commandline -ct))'
`,
};
