-- A regular expression for the small words of German, French, Spanish, Italian, Portuguese, Dutch and Indonesian, without
-- those that English has too.
create macro foreign_small_word() as
    'der|das|und|ist|nicht|ein|eine|einen|einem|einer|auf|mit|dem|bei|neben|sich|sind|zu|von|im|aus'
    || '|wird|es|für|über|le|la|les|des|est|dans|avec|une|du|et|sur|qui|pas|sont|il|elle|aux|pour|cette'
    || '|devant|près|deux|el|los|las|una|un|con|del|está|y|que|se|por|para|su|al|junto|sobre|hay|gli|che'
    || '|di|sul|sulla|nel|nella|sono|della|lo|accanto|os|um|uma|com|em|da|na|ao|são|dois|duas|het|een'
    || '|van|met|naast|aan|zijn|niet|voor|yang|dan|dengan|sedang|sebuah|seorang|untuk|pada|ini|itu|dari'
    || '|adalah';
