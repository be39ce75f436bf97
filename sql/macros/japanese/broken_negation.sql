-- A regular expression for Japanese phrases that are complete with a negation only, without it: かもしれます, 申し訳ございます.
create macro broken_negation() as
    'かも(?:しれ|知れ)(?:ます|る)|(?:なければ|なくては|ねば|ては)なります|(?:なくては|なければ|ちゃ|ては)いけます|るで(?:ください|下さい|くれ)|に(?:すぎ|過ぎ)(?:ます|る)(?:。|$)'
    || '|わけには(?:いき|行き)ます|ざるを(?:得|え)(?:ます|る)|申し訳(?:ありま|ございま)す|(?:誰|何|どこ)も(?:い|あり|でき|わかり|分かり)ます';
