"""The vocabulary of the clean corpus: every entry stands in Japanese and English, so that a sentence has both."""

# ruff: noqa: E501, SIM905  (tables of sentences and words, one entry a line)

from typing import NamedTuple


class Noun(NamedTuple):
    """A thing that can be counted; ``is_alive`` chooses between いる and ある."""

    ja: str
    en: str
    plural: str
    counter: str
    is_alive: bool

    @property
    def there_is(self) -> str:
        return "います" if self.is_alive else "あります"


def _nouns(text: str, *, is_alive: bool) -> tuple[Noun, ...]:
    rows = (line.split("|") for line in text.strip().splitlines())
    return tuple(
        Noun(ja, en, plural or f"{en}s", counter, is_alive) for row in rows for ja, en, plural, counter in (row,)
    )


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((ja, en) for ja, _, en in (line.partition("|") for line in text.strip().splitlines()))


PEOPLE = _nouns(
    """
男性|man|men|人
女性|woman|women|人
男の子|boy||人
女の子|girl||人
子供|child|children|人
サーファー|surfer||人
シェフ|chef||人
警察官|police officer||人
テニス選手|tennis player||人
野球選手|baseball player||人
スキーヤー|skier||人
学生|student||人
乗客|passenger||人
兵士|soldier||人
サイクリスト|cyclist||人
店員|shop clerk||人
歩行者|pedestrian||人
写真家|photographer||人
ミュージシャン|musician||人
消防士|firefighter||人
観光客|tourist||人
審判|umpire||人
""",
    is_alive=True,
)
ANIMALS = _nouns(
    """
犬|dog||匹
猫|cat||匹
馬|horse||頭
牛|cow||頭
羊|sheep|sheep|頭
ゾウ|elephant||頭
キリン|giraffe||頭
シマウマ|zebra||頭
クマ|bear||頭
鳥|bird||羽
アヒル|duck||羽
カモメ|seagull||羽
オウム|parrot||羽
ウサギ|rabbit||羽
ヤギ|goat||頭
サル|monkey||匹
フクロウ|owl||羽
リス|squirrel||匹
""",
    is_alive=True,
)
THINGS = _nouns(
    """
車|car||台
バス|bus|buses|台
トラック|truck||台
自転車|bicycle||台
バイク|motorcycle||台
ボート|boat||隻
飛行機|airplane||機
椅子|chair||脚
テーブル|table||台
ボトル|bottle||本
カップ|cup||個
傘|umbrella||本
本|book||冊
ノートパソコン|laptop||台
時計|clock||個
花瓶|vase||個
ベンチ|bench|benches|脚
凧|kite||枚
スーツケース|suitcase||個
ピザ|pizza||枚
バナナ|banana||本
リンゴ|apple||個
オレンジ|orange||個
ケーキ|cake||個
ドーナツ|donut||個
サンドイッチ|sandwich|sandwiches|個
ボウル|bowl||個
皿|plate||枚
フォーク|fork||本
ナイフ|knife|knives|本
スプーン|spoon||本
キーボード|keyboard||台
リモコン|remote control||個
携帯電話|cell phone||台
テレビ|television||台
ソファ|couch|couches|台
ベッド|bed||台
ランプ|lamp||個
鏡|mirror||枚
冷蔵庫|refrigerator||台
オーブン|oven||台
テディベア|teddy bear||個
ボール|ball||個
フリスビー|frisbee||枚
サーフボード|surfboard||枚
帽子|hat||個
リュックサック|backpack||個
ネクタイ|tie||本
信号機|traffic light||基
看板|sign||枚
木|tree||本
枕|pillow||個
カーテン|curtain||枚
ろうそく|candle||本
かご|basket||個
写真立て|picture frame||個
""",
    is_alive=False,
)
FOODS = tuple(noun for noun in THINGS if noun.en in {"pizza", "banana", "apple", "orange", "cake", "donut", "sandwich"})

COLOURS = (
    ("赤い", "red"), ("青い", "blue"), ("白い", "white"), ("黒い", "black"), ("黄色い", "yellow"),
    ("茶色い", "brown"), ("緑色の", "green"), ("灰色の", "gray"), ("紫色の", "purple"), ("ピンク色の", "pink"),
    ("オレンジ色の", "orange"), ("銀色の", "silver"),
)  # fmt: skip
COLOUR_NAMES = (
    ("赤", "red"), ("青", "blue"), ("白", "white"), ("黒", "black"), ("黄色", "yellow"), ("茶色", "brown"),
    ("緑", "green"), ("灰色", "gray"), ("紫", "purple"), ("ピンク", "pink"), ("オレンジ", "orange"), ("銀色", "silver"),
)  # fmt: skip
QUALITIES = (
    ("大きな", "large"), ("小さな", "small"), ("古い", "old"), ("新しい", "new"), ("美しい", "beautiful"),
    ("珍しい", "unusual"), ("汚れた", "dirty"), ("きれいな", "clean"), ("カラフルな", "colorful"),
    ("木製の", "wooden"), ("丸い", "round"), ("四角い", "square"), ("三角形の", "triangular"), ("明るい", "bright"),
    ("かわいい", "cute"), ("一般的な", "common"),
)  # fmt: skip
CLOTHES = _pairs("""
シャツ|shirt
Tシャツ|T-shirt
ジャケット|jacket
コート|coat
セーター|sweater
ドレス|dress
スーツ|suit
ユニフォーム|uniform
パーカー|hoodie
ベスト|vest
""")
PLACES = _pairs("""
公園|in the park
砂浜|on the beach
通り|on the street
キッチン|in the kitchen
リビングルーム|in the living room
野原|in a field
動物園|at the zoo
駅のホーム|on the train platform
駐車場|in the parking lot
湖のほとり|by the lake
雪の積もった斜面|on a snowy slope
市場|at the market
レストラン|in a restaurant
オフィス|in an office
寝室|in the bedroom
橋の上|on a bridge
空港|at the airport
博物館|in a museum
図書館|in the library
スタジアム|in a stadium
裏庭|in the backyard
交差点|at the intersection
港|in the harbor
歩道|on the sidewalk
広場|in the square
教室|in a classroom
窓のそば|near the window
噴水の前|in front of the fountain
建物の横|beside the building
森の中|in the forest
川岸|on the riverbank
スケートパーク|at the skate park
お祭りの会場|at the festival
ホテルのロビー|in the hotel lobby
スーパーマーケット|at the supermarket
農場|on a farm
""")
HUMAN_ACTIONS = _pairs("""
スケートボードに乗って|riding a skateboard
傘を差して|holding an umbrella
テニスをして|playing tennis
凧を揚げて|flying a kite
電話で話して|talking on the phone
ノートパソコンを使って|using a laptop
写真を撮って|taking a picture
本を読んで|reading a book
料理をして|cooking food
自転車に乗って|riding a bike
ベンチに座って|sitting on a bench
ボールを投げて|throwing a ball
コーヒーを飲んで|drinking coffee
カメラに向かって微笑んで|smiling at the camera
荷物を運んで|carrying luggage
友人と一緒に笑って|laughing together with friends
花に水をやって|watering the flowers
ギターを弾いて|playing the guitar
ケーキを切って|cutting a cake
フリスビーを追いかけて|chasing a frisbee
絵を描いて|painting a picture
一人で歩いて|walking alone
手を振って|waving
雪の上を滑って|sliding over the snow
波に乗って|riding a wave
馬に餌をやって|feeding a horse
歯を磨いて|brushing teeth
列に並んで|waiting in line
地図を見て|looking at a map
車を洗って|washing a car
""")
ANIMAL_ACTIONS = _pairs("""
立って|standing
草を食べて|eating grass
横になって|lying down
歩いて|walking
走って|running
水を飲んで|drinking water
眠って|sleeping
遊んで|playing
カメラを見つめて|staring at the camera
日陰で休んで|resting in the shade
飼い主を待って|waiting for its owner
体をなめて|licking itself
""")
SCENE_SENTENCES = _pairs("""
空は晴れていて、雲がほとんどありません。|The sky is clear, with hardly any clouds.
背景には高い建物がいくつか見えます。|Several tall buildings are visible in the background.
全体として、穏やかで落ち着いた雰囲気が感じられます。|Overall, the scene has a calm and relaxed atmosphere.
この場面は、日常生活のひとこまを切り取ったものです。|The scene captures a moment of everyday life.
周囲の人々は、その様子を楽しそうに眺めています。|The people around are watching happily.
柔らかな日差しが部屋全体を照らしています。|Soft sunlight fills the whole room.
地面には影が長く伸びています。|Long shadows stretch across the ground.
天気は曇りで、少し肌寒そうです。|The weather is cloudy and looks a little chilly.
壁にはさまざまな絵が飾られています。|Various paintings hang on the wall.
画面の奥には木々が並んでいます。|Trees line the back of the scene.
床には模様の入った絨毯が敷かれています。|A patterned rug covers the floor.
人々はそれぞれの時間を思い思いに過ごしています。|Everyone is spending time in their own way.
にぎやかな雰囲気から、週末の午後であることがうかがえます。|The lively mood suggests a weekend afternoon.
照明が効果的に使われ、被写体が際立っています。|The lighting is used effectively and makes the subject stand out.
通りには店が立ち並び、多くの買い物客で混雑しています。|Shops line the street, which is crowded with shoppers.
テーブルの上には食べ物が十分に用意されています。|Plenty of food has been prepared on the table.
遠くには山々が連なっているのが見えます。|A range of mountains can be seen in the distance.
写真は少し高い位置から撮影されたようです。|The photo seems to have been taken from a slightly elevated position.
全員が一緒に楽しい時間を過ごしているようです。|Everyone seems to be having a good time together.
まず目に入るのは、鮮やかな色使いです。|The first thing that catches the eye is the vivid use of color.
窓からは外の景色がよく見えます。|The view outside can be seen well through the window.
彼らの表情からは、集中している様子が伝わってきます。|Their expressions show how focused they are.
雨が降ったばかりなのか、道路がまだ濡れています。|The road is still wet, perhaps because it has just rained.
安全のために、ヘルメットを着用することが大切です。|It is important to wear a helmet for safety.
手入れの行き届いた芝生が広がっています。|A well-kept lawn stretches out.
この光景は、自然と人間の共存を象徴しています。|This view symbolizes the coexistence of nature and people.
""")
REASONS = _pairs("""
バランスを保つ|keep one's balance
日差しを避ける|avoid the sun
友人を驚かせる|surprise a friend
健康を維持する|stay healthy
新しい技を練習する|practice a new trick
思い出を残す|preserve memories
雨から身を守る|stay out of the rain
観客を楽しませる|entertain the audience
目的地に早く着く|reach the destination quickly
仲間と交流する|socialize with friends
""")
SIGN_TEXTS = (
    "STOP", "ONE WAY", "Main Street", "NO PARKING", "OPEN", "Coca-Cola", "EXIT", "Pepsi", "SPEED LIMIT 35",
    "Starbucks", "WELCOME", "FOR SALE", "Samsung", "Toyota", "Happy Birthday", "NIKE", "Canon", "Central Park",
    "Caution Wet Floor", "Emirates", "DHL", "Bus Stop", "Sony", "Heineken", "TAXI", "Route 66", "MUSEUM",
    "Fresh Fish", "Budweiser", "Elm Street", "Air Canada", "POLICE", "Ford", "Subway", "Wilson", "Adidas",
)  # fmt: skip
FIRST_NAMES = tuple(
    "James Mary Robert Linda Michael Susan David Karen Thomas Nancy Daniel Emily Laura Steven Helen Kevin Alice Brian Julia Peter Diana Martin Sophie Victor Clara Simon Grace Oliver Naomi Henry".split()
)
LAST_NAMES = tuple(
    "Smith Johnson Williams Brown Jones Miller Davis Wilson Anderson Taylor Moore Martin Thompson Harris Clark Lewis Walker Hall Young King Wright Lopez Hill Scott Green Adams Baker Nelson Carter Mitchell Turner Parker".split()
)
TITLE_HEADS = (
    "The Art of", "A Guide to", "Introduction to", "The Secret Life of", "Mastering", "A History of", "Essential",
    "The Complete Book of", "Understanding", "Adventures in", "The Joy of", "Modern", "Practical", "The Science of",
)  # fmt: skip
TITLE_TAILS = (
    "Cooking", "Gardening", "Physics", "Ancient Rome", "Marketing", "Yoga", "Calculus", "Photography", "Travel",
    "Chess", "Painting", "Astronomy", "Leadership", "Wine", "Poetry", "Medicine", "Baking", "Economics", "Jazz",
)  # fmt: skip
GENRES = (
    ("料理本", "Cookbooks"), ("科学と数学", "Science & Math"), ("ロマンス", "Romance"), ("旅行", "Travel"),
    ("児童書", "Children's Books"), ("歴史", "History"), ("コンピューターと技術", "Computers & Technology"),
    ("健康とフィットネス", "Health & Fitness"), ("宗教", "Religion"), ("ビジネス", "Business"), ("スポーツ", "Sports"),
    ("芸術と写真", "Arts & Photography"), ("自己啓発", "Self-Help"), ("ミステリー", "Mystery"),
)  # fmt: skip
COUNTRIES = (
    ("フランス", "France", "パリ", "Paris"), ("ドイツ", "Germany", "ベルリン", "Berlin"),
    ("カナダ", "Canada", "オタワ", "Ottawa"), ("エジプト", "Egypt", "カイロ", "Cairo"),
    ("ブラジル", "Brazil", "ブラジリア", "Brasília"), ("日本", "Japan", "東京", "Tokyo"),
    ("イタリア", "Italy", "ローマ", "Rome"), ("スペイン", "Spain", "マドリード", "Madrid"),
    ("ケニア", "Kenya", "ナイロビ", "Nairobi"), ("ノルウェー", "Norway", "オスロ", "Oslo"),
    ("ペルー", "Peru", "リマ", "Lima"), ("ポーランド", "Poland", "ワルシャワ", "Warsaw"),
    ("インド", "India", "ニューデリー", "New Delhi"), ("韓国", "South Korea", "ソウル", "Seoul"),
)  # fmt: skip
ADVICE = (
    ("睡眠の質を高める", "sleep better", ("毎日同じ時刻に寝ます", "Go to bed at the same time every day"),
     ("寝る前に画面を見ないようにします", "Avoid screens before bed"), ("寝室を涼しく保ちます", "Keep the bedroom cool")),
    ("英語を学ぶ", "learn English", ("毎日少しずつ単語を覚えます", "Memorize a few words every day"),
     ("好きな映画を字幕付きで見ます", "Watch your favorite movies with subtitles"),
     ("話す相手を見つけます", "Find someone to talk to")),
    ("お金を貯める", "save money", ("支出をすべて記録します", "Record all of your expenses"),
     ("不要な契約を解約します", "Cancel subscriptions you do not need"), ("自炊を増やします", "Cook at home more often")),
    ("集中力を保つ", "stay focused", ("仕事の合間に短い休憩を取ります", "Take short breaks between tasks"),
     ("通知を切ります", "Turn off notifications"), ("机の上を片付けます", "Clear your desk")),
    ("植物を育てる", "grow plants", ("日当たりのよい場所に置きます", "Put them in a sunny spot"),
     ("水をやりすぎないようにします", "Do not water them too much"), ("春に肥料を与えます", "Give them fertilizer in spring")),
    ("面接に備える", "prepare for an interview", ("会社についてよく調べます", "Research the company well"),
     ("よくある質問への答えを練習します", "Practice answers to common questions"),
     ("前日は早く寝ます", "Go to bed early the night before")),
)  # fmt: skip
CODE_SNIPPETS = (
    ("リストを逆順にする", "reverse a list", "items = [1, 2, 3]\nitems.reverse()\nprint(items)"),
    ("ファイルを読み込む", "read a file", 'with open("data.txt") as file:\n    print(file.read())'),
    ("辞書を並べ替える", "sort a dictionary", "result = dict(sorted(scores.items()))\nprint(result)"),
    ("文字列を分割する", "split a string", 'parts = text.split(",")\nfor part in parts:\n    print(part)'),
    ("現在の日時を取得する", "get the current date", "from datetime import datetime\nprint(datetime.now())"),
    ("平均を計算する", "compute an average", "average = sum(values) / len(values)\nprint(average)"),
    ("重複を取り除く", "remove duplicates", "unique = list(set(items))\nprint(len(unique))"),
)  # fmt: skip
SITES = ("example.com", "docs.python.org/3", "wikipedia.org/wiki", "github.com", "arxiv.org/abs", "openstreetmap.org")
LIBRARIES = ("NumPy", "pandas", "PyTorch", "Django", "Flask", "scikit-learn", "TensorFlow", "SQLAlchemy")
