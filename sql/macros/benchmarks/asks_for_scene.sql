-- A regular expression for a question about which place of the world the picture shows: nothing is located in it.
create macro asks_for_scene() as
    'ここは|どこで(?:写|映)っ|どこの(?:国|神社|寺|駅|都市|街|町|県|場所|お)|撮(?:影|ら|っ|った)|(?:写真|画像|この|その)(?:の場所|場所)?は、?どこ|^場所(?:は|が)|^どこ(?:です|でしょう)|(?:会社|メーカー|ところ)は、?どこ';
