-- A regular expression for what chat templates, prompts and tokenizers write around a message: special tokens, tags of
-- reasoning, roles and headings at the start of a line. No answer that people wrote holds one.
create macro chat_marker() as
    '<[|｜][^<>|｜\n]{1,40}[|｜]>|<[A-Za-z/]{1,12}[|｜][A-Za-z0-9 _.-]{1,24}>|</?s>|<(?:bos|eos|pad|unk|mask|sep|cls|BOS|EOS|PAD|UNK|MASK|SEP|CLS)>'
    || '|\[/?INST\]|</?SYS>|</?(?:think|thinking|reasoning|start_of_turn|end_of_turn|tool_call|tool_response)>|<end_of_utterance>'
    || '|\[(?:PAD|UNK|CLS|SEP|MASK|BOS|EOS|gMASK|TOOL_CALLS|AVAILABLE_TOOLS)\]|<0x0A>|<unused[0-9]+>|<extra_id_[0-9]+>|<reserved_[a-z_0-9]+>'
    || '|(?:^|\n)\s*(?:USER|ASSISTANT|SYSTEM|HUMAN|Human|User|Assistant)\s?[:：]'
    || '|(?:^|\n)\s*#{2,4}\s?(?:指示|入力|応答|出力|回答|質問|ユーザー|アシスタント|システム|人間|Instructions?|Input|Response|Output|Answer'
    || '|Human|User|Assistant|System)\s?[:：]?\s*(?:\n|$|[:：])'
    || '|(?:^|\n)\s*(?:ユーザー|アシスタント|システム|人間|ボット)\s?[:：]';
