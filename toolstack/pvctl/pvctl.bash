# SPDX-License-Identifier: BSD-2-Clause
# Completion of pvctl's verbs, options and domains for bash: installed as
# /usr/share/bash-completion/completions/pvctl. Verbs and options come from pvctl's own help.

_pvctl_domains()
{
    pvctl list 2>/dev/null | awk 'NR > 1 && $2 > 0 { print $1 }'
}

_pvctl()
{
    local word=${COMP_WORDS[COMP_CWORD]} verb='' i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} != -* ]]; then
            verb=${COMP_WORDS[i]}
            break
        fi
    done
    if [[ -z $verb ]]; then
        mapfile -t COMPREPLY < <(compgen -W "help --help --json --verbose \
            $(pvctl help 2>/dev/null | sed -n 's/^  \([a-z-]*\) .*/\1/p')" -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(pvctl help "$verb" 2>/dev/null |
            sed -n 's/^ .*\(--[a-z-]*\).*/\1/p')" -- "$word")
    else
        case $verb in
        create)
            mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        config-update)
            mapfile -t COMPREPLY < <(compgen -f -- "$word"
                compgen -W "$(_pvctl_domains)" -- "$word") ;;
        help)
            mapfile -t COMPREPLY < <(compgen -W \
                "$(pvctl help 2>/dev/null | sed -n 's/^  \([a-z-]*\) .*/\1/p')" -- "$word") ;;
        info | dmesg | top) ;;
        *)
            mapfile -t COMPREPLY < <(compgen -W "$(_pvctl_domains)" -- "$word") ;;
        esac
    fi
}

complete -o filenames -F _pvctl pvctl
