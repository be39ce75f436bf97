-- Whether a text without a full stop ends like a Japanese sentence or like a line of a list.
create macro ends_like_a_sentence(sentence) as
    regexp_matches(sentence, '(?:[るたいすだうくむぶぬつぐんねよかなわ])$')
    or regexp_matches(regexp_extract(sentence, '[^\n]*$'), '^\s*(?:[-*・•●○◆■※]|[0-9０-９]+[.)．）:])|^[^。]*$|[:：]');
