-- The one place where raw platform parts become the platform text, as containerd's platforms.Normalize does.
create or replace macro normal_os(os) as
    case lower(os) when 'macos' then 'darwin' else nullif(lower(os), '') end;

create or replace macro normal_architecture(architecture) as
    case lower(architecture)
        when 'i386' then '386'
        when 'x86_64' then 'amd64' when 'x86-64' then 'amd64'
        when 'aarch64' then 'arm64'
        when 'armhf' then 'arm' when 'armel' then 'arm'
        else nullif(lower(architecture), '')
    end;

create or replace macro normal_variant(architecture, variant) as
    case
        when lower(architecture) = 'armhf' then 'v7'
        when lower(architecture) = 'armel' then 'v6'
        when normal_architecture(architecture) = 'arm' then
            case
                when variant is null or variant in ('', '7') then 'v7'
                when variant in ('5', '6', '8') then 'v' || variant
                else lower(variant)
            end
        when normal_architecture(architecture) = 'arm64' and lower(variant) in ('8', 'v8') then null
        when normal_architecture(architecture) = 'amd64' and lower(variant) = 'v1' then null
        when normal_architecture(architecture) = '386' then null
        else nullif(lower(variant), '')
    end;

create or replace macro platform_text(os, architecture, variant) as
    normal_os(os) || '/' || normal_architecture(architecture)
    || coalesce('/' || normal_variant(architecture, variant), '');

-- What one line of a chart follows: the platform, and for Windows its build (10.0.17763.805 belongs to 10.0.17763).
create or replace macro series_text(os, architecture, variant, os_version) as
    platform_text(os, architecture, variant)
    || case
        when lower(os) = 'windows' and os_version is not null
            then ' ' || coalesce(nullif(regexp_extract(os_version, '^\d+\.\d+\.\d+'), ''), os_version)
        else ''
    end;

-- The platform that a word of bashbrew (official-images, READMEs) stands for: arm32v7 is linux/arm/v7, windows-amd64 is
-- windows/amd64. Until June 2017 documents had no word for Windows, but constraints that only it can meet.
create or replace macro bashbrew_platform(word, constraints) as
    platform_text(
        case
            when starts_with(word, 'windows-') then 'windows'
            when regexp_matches(coalesce(constraints, ''), '(^|, ?)(windowsservercore|nanoserver)') then 'windows'
            else 'linux'
        end,
        regexp_replace(replace(word, 'windows-', ''), '^(arm)32v\d$|^(arm64)v\d$', '\1\2'),
        nullif(regexp_extract(word, 'arm(?:32|64)(v\d)$', 1), '')
    );

-- What a tag's text promises: `dated` (trixie-20260803), `pre-release` (3.15.0rc1, 27-ea-3-jdk), `x.y.z`, `x.y` or `x`
-- by the numbers at its beginning (3.14.1-slim; Java's 8u102 counts as 8.0.102), or `name` (latest, slim-trixie).
create or replace macro tag_kind(tag) as
    case
        when regexp_matches(tag, '(^|\D)20\d{6}(\D|$)') then 'dated'
        when regexp_matches(
            lower(tag), '^v?\d[\d.]*(u\d+)?([ab]\d|[-_.]?(alpha|beta|rc|ea|pre|preview|m\d)[\d.]*(-|$))'
        )
            then 'pre-release'
        when regexp_matches(tag, '^v?\d+(u\d|\.\d+\.\d)') then 'x.y.z'
        when regexp_matches(tag, '^v?\d+\.\d') then 'x.y'
        when regexp_matches(tag, '^v?\d+(-|$)') then 'x'
        else 'name'
    end;

-- Whether a tag stands for what is attached to a digest and not for an image: cosign's signatures, attestations and
-- bills of material, and lists of referrers (as `is_artifact_tag` of `sources/tag_choice.py` says it).
create or replace macro is_artifact_tag(tag) as
    starts_with(tag, 'sha') and regexp_full_match(tag, 'sha(256|512)-[0-9a-f]{64}(\.(sig|att|sbom))?');

-- Whether a question that takes a pattern of tags (null: all) is about a tag, if it matches: about one of artifacts only
-- if the pattern begins as these do.
create or replace macro is_told_tag(tag, pattern) as
    not is_artifact_tag(tag) or coalesce(regexp_matches(pattern, '^sha(256|512)-'), false);

-- What a build step does, as a Dockerfile would have it, on one line: `steps.normalise_step` in SQL. Without the marks of
-- builders (`#(nop)`, `# buildkit`), the line that pages give to build arguments, build arguments and shells.
create or replace macro bare_step(created_by) as
    regexp_replace(
        regexp_replace(
            regexp_replace(created_by, '^\s*(?:# ARGS:[^\n]*\n\s*)?', ''), '\s*(?:# buildkit\s*)?$', ''
        ),
        '^(?:RUN\s+)?[^\n]{0,400}?#\(nop\)\s+([A-Z]+\b)', '\1'
    );

create or replace macro shell_text(command) as
    regexp_replace(
        regexp_replace(
            regexp_replace(
                regexp_replace(
                    regexp_replace(command, '^(?:--(?:mount|network|security)=\S+\s+)+', ''),
                    '^\|\d{1,4}\s(?:.*?\s)?(/(?:usr/)?bin/(?:ba|a|da)?sh\s+-|cmd(?:\.exe)?\s+/S\s+/C\s'
                    || '|(?:powershell|pwsh)(?:\.exe)?\s+-)',
                    '\1', 'is'
                ),
                '^\|\d{1,4}(?:\s+\w+=\S*)*\s+', ''
            ),
            '^(?:/(?:usr/)?bin/(?:ba|a|da)?sh(?:\s+-[a-z]+(?:\s+pipefail)?)*?\s+-[a-z]*c\s'
            || '|(?:C:\\Windows\\System32\\)?cmd(?:\.exe)?\s+/S\s+/C\s'
            || '|(?:powershell|pwsh)(?:\.exe)?(?:\s+-[A-Za-z]+(?:\s+(?:Bypass|RemoteSigned))?)*?\s+-Command\s)\s*',
            '', 'i'
        ),
        '^(?:\$(?:ErrorActionPreference|ProgressPreference|verbosePreference)\s*=\s*''?\w+''?\s*;\s*)+', ''
    );

create or replace macro is_shell_step(step) as
    regexp_matches(
        step,
        '(?i)^(?:\|\d{1,4}\s|/(?:usr/)?bin/(?:ba|a|da)?sh(?:\s+-[a-z]+(?:\s+pipefail)?)*?\s+-[a-z]*c\s'
        || '|(?:C:\\Windows\\System32\\)?cmd(?:\.exe)?\s+/S\s+/C\s'
        || '|(?:powershell|pwsh)(?:\.exe)?(?:\s+-[a-z]+(?:\s+(?:Bypass|RemoteSigned))?)*?\s+-Command\s'
        || '|(?:Apply image|Install update)\b|#\s*debian\.sh\b)'
    );

create or replace macro plain_step(created_by) as
    trim(
        regexp_replace(
            case
                when regexp_matches(bare_step(created_by), '^RUN\s')
                    then 'RUN ' || shell_text(regexp_replace(bare_step(created_by), '^RUN\s+', ''))
                when is_shell_step(bare_step(created_by)) then 'RUN ' || shell_text(bare_step(created_by))
                else regexp_replace(
                    bare_step(created_by), '^([A-Z]+\s+)&\{(\[[^\]]*\]).*\}$', '\1\2', 's'
                )
            end,
            '\s+', ' ', 'g'
        )
    );

-- What tells a step's text from another: `steps.text_digest` in SQL. Pages of 2016 and before keep the ends of lines.
create or replace macro step_text_digest(created_by) as
    'sha256:' || sha256(regexp_replace(plain_step(created_by), '\s\\(?:\s|$)', ' ', 'g'));

-- The same step of another release: `plain_step` without what moves from build to build. Digests, commits and keys,
-- versions, dates and all other numbers become `#`, words for architectures `@`; ends of lines go. What is left is equal
-- for the same step of two versions or platforms, and of two builders; a step whose packages changed is another.
create or replace macro normal_step(created_by) as
    regexp_replace(
        regexp_replace(
            regexp_replace(
                regexp_replace(plain_step(created_by), '\s\\(?:\s|$)', ' ', 'g'),
                '(?i)\b(?:sha\d+:)?(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{7,})\b', '#', 'g'
            ),
            '(?i)\b(?:amd64|x86[-_]64|x64|arm64(?:v8)?|aarch64|arm32v[5-8]|armv[5-8]l?|armhf|armel|i[3-6]86|386'
            || '|ppc64[el]{2}|powerpc64le|s390x|riscv64|mips(?:64)?(?:le|el)|loong(?:arch)?64)\b',
            '@', 'g'
        ),
        '(?i)(?:\bv)?\d+(?:[._]\d+)*(?:[-~.+_]?(?:alpha|beta|rc|ea|pre|[abpr])[.]?\d+)?\b|(?:\bv)?\d+(?:[._]\d+)*', '#', 'g'
    );

-- Steps at the same place between the same others may be the same one rewritten if they are of one kind: the same
-- instruction, and of RUN the same program to the same end (`RUN apt-get install`, `RUN ln`). Null for settings, which are
-- what they set, and where nothing is known.
create or replace macro step_kind(instruction, step_label) as
    case
        when instruction = 'RUN'
            then coalesce(
                nullif(
                    regexp_extract(step_label, '^RUN \S+(?: (?:install|add|get|build|sync|purge|remove|del|ci)\b)?'), ''
                ),
                'RUN'
            )
        when instruction not in ('ENV', 'ARG', 'LABEL') then instruction
    end;

-- What stands for layers in their order: *digests* are theirs, the base first, with blanks between.
create or replace macro chain_text(digests) as 'sha256:' || sha256(digests);

-- Whether a tag moves on to the next release of what it names, so that another tag says better which one is meant.
create or replace macro is_rolling_tag(tag) as
    tag in ('latest', 'stable', 'oldstable', 'oldoldstable', 'testing', 'unstable', 'edge', 'rolling', 'devel', 'lts');
