-- A regular expression for an English instruction on the form of the answer.
create macro format_instruction() as
    '(?i)\b(?:answer|respond|reply|provide|give|use|using|write|describe|select|choose|pick|output|express|limit'
    || '|keep|return|state|make|be)\b[A-Za-z0-9 ,''’":;()<>\[\]-]{0,80}?\b(?:words?|phrases?|sentences?|letters?'
    || '|options?|choices?|answer|coordinates?|descriptions?|captions?|directly|briefly|brief|short|concise(?:ly)?'
    || '|yes or no|bounding box|paragraph|number only|json|format|bullet points?)\b[^.:。\n]*'
    || '|(?i)\b(?:answer|respond|reply)(?: to)? (?:the question|with|using|in|directly)\b[^.:。\n]*';
