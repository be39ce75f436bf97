-- What a benchmark's question asks for: counting, colour, position, yes_no, reading, who, action, place_time,
-- material_state, what or other.
create macro question_type(question) as
    case
        when regexp_matches(question, asks_for_colour()) then 'colour'
        when regexp_matches(question, number_to_read()) then 'reading'
        when regexp_matches(false_counters_removed(question), asks_how_many()) then 'counting'
        when regexp_matches(question, asks_to_read()) then 'reading'
        when regexp_matches(question, asks_for_position()) and not regexp_matches(question, asks_for_scene())
            then 'position'
        when is_yes_no_question(question) then 'yes_no'
        when regexp_matches(question, asks_to_explain()) then 'other'
        when regexp_matches(question, asks_for_person()) then 'who'
        when regexp_matches(question, asks_for_action()) then 'action'
        when regexp_matches(question, asks_for_place_or_time()) then 'place_time'
        when regexp_matches(question, asks_for_material_or_state()) then 'material_state'
        when regexp_matches(question, asks_for_thing()) then 'what'
        else 'other'
    end;
