-- A regular expression for a Japanese answer that begins with yes.
create macro japanese_yes() as
    '(?i)^(?:<image>|[「『\s])*(?:はい|ええ|うん|そうです|そうだ|その通り|そのとおり|もちろん|勿論|正しい|正解|真(?:です|$|。)|yes\b|イエス|肯定'
    || '|確かに|間違いありません|間違いなく|あります|います|本当(?:です|$|。)|正$|◯|○|あり$|ある[。]?$|いる[。]?$)';
